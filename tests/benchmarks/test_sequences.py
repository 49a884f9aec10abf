"""The benchmark of sequences: what it refuses, how it cuts, and a whole run on a small file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pages
from benchmarks.sequences.experiment import Experiment
from benchmarks.sequences.findings import LEAVE_ONE_OUT, TEST, TEST_REFITTED, VALIDATION, Asked, Cost, Outcome
from benchmarks.sequences.planning import Plan
from benchmarks.sequences.published import BEAUTY
from benchmarks.sequences.reading import SequencesError, read_sequences
from benchmarks.sequences.report import goals, report, table
from benchmarks.sequences.splits import split
from benchmarks.sequences.systems import System, depends_on_seed, plain_systems, select_systems
from benchmarks.sequences.watching import Progress
from benchmarks.sessions.protocol import PROTOCOL
from pipelines.evaluation.full_ranking import Seen
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.tuning import Deadline
from pipelines.settings import CHECKOUT

MARKOV = plain_systems()["markov"]


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "shop.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_read__takes_any_tokens_and_counts_short_users(tmp_path: Path) -> None:
    content = "\ufeffanna b-1 B0 b-1\r\nbert\tB0  c\n7 c\nzoë ü B0 c x ü\n"
    found = read_sequences(written(tmp_path, content))
    rows = [found.interactions.row(user).tolist() for user in range(4)]
    assert rows == [[0, 1, 0], [1, 2], [2], [3, 1, 2, 4, 3]]
    facts = found.facts()
    assert (facts["users"], facts["items"], facts["events"]) == (4, 5, 11)
    assert (facts["users_with_one_item"], facts["users_with_two_items"], facts["users_ranked"]) == (1, 1, 2)
    assert facts["test_targets_seen_before"] == 2
    assert facts["items_seen_once"] == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "found an empty file; give one"),
        (" \n \n", "found an empty file"),
        ("1 2 3 4\n2\n3 4 5 6\n", "line 2, field 2: user '2' has no items; add them or remove the line"),
        ("1 2 3 4\n\n3 4 5 6\n", "line 2: .* an empty line; remove it"),
        ("1 2 3 4\n2 3 4 5\n1 5\n", "line 3, field 1: user '1' has line 1 already; join both"),
        ("1 2 3 4\n", "found one user; give at least two"),
        ("1 2 3\n2 3\n3 4 5\n", "nobody has three items"),
        ("1 2 2 2\n2 2 2 2\n", "every item is '2'; give at least two"),
        ("1 2 3 4\n2 3 4\x1b[0m 5\n", r"line 2, field 3: .* control character '\\x1b'; remove it"),
        (b"1 2 3 4\n2 \x00\x01 4\n", r"line 2, field 2: .* control character '\\x00'"),
        (b"1 2 3\n\xff\xfe 2 3\n", "line 2: .* no UTF-8; save it as text"),
    ],
)
def test_read__says_what_is_wrong_where(tmp_path: Path, content: str | bytes, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(SequencesError, match=said) as refused:
        read_sequences(path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_read__a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(SequencesError, match=r"cannot be read .*; name a readable file"):
            read_sequences(path)


def test_split__keeps_short_users_for_learning_only() -> None:
    parts = split(Interactions.of([[0, 1, 2, 3], [4, 0], [1], [2, 3, 4]], 5))

    def rows(found: Interactions) -> list[list[int]]:
        return [found.row(user).tolist() for user in range(len(found))]

    assert rows(parts.all_but_last_two) == [[0, 1], [4, 0], [1], [2]]
    assert rows(parts.all_but_last) == [[0, 1, 2], [4, 0], [1], [2, 3]]
    assert rows(parts.validation.histories) == [[0, 1], [2]]
    assert parts.validation.target.tolist() == [2, 3]
    assert rows(parts.test.histories) == [[0, 1, 2], [2, 3]]
    assert parts.test.target.tolist() == [3, 4]


def test_split__asks_as_many_users_as_may_be_ranked() -> None:
    parts = split(Interactions.of([[0, 1, 2, 3], [4, 0, 1], [1, 2, 3], [2, 3, 4]], 5)).asking(cells=14)
    assert len(parts.test) == len(parts.validation) == 2
    assert len(parts.all_but_last) == 4
    before = parts.test.histories.from_end(1).tolist()
    assert parts.validation.target.tolist() == before  # the same users


def chains(users: int = 120, items: int = 40) -> str:
    """Users that walk along a ring of items, now and then with a step aside."""
    random = np.random.default_rng(5)
    lines = ["short 1", "shorter 2 3"]
    for user in range(users):
        steps = random.choice([1, 1, 1, 2, 7], size=random.integers(2, 9))
        walk = (random.integers(items) + np.concatenate([[0], np.cumsum(steps)])) % items
        lines.append(" ".join([f"u{user}", *(f"i{item}" for item in walk)]))
    return "\n".join(lines) + "\n"


def test_command__measures_a_file_it_has_never_seen(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.sequences", "--data", str(written(tmp_path, chains()))]
    command += ["--out", str(tmp_path / "out"), "--models", "popularity", "markov"]
    done = subprocess.run(
        [*command, "--seeds", "2", "--budget-minutes", "5"], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    whole = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (tmp_path / "out" / "table.md").read_text() == done.stdout
    assert (tmp_path / "out" / "sequences.png").stat().st_size > 10_000
    values = {
        (row["system"], row["split"], row["trained_on"], row["metric"]): row["value"]
        for row in whole["results"]
    }
    chance = sum(1 / np.log2(rank + 1) for rank in range(1, 11)) / 40
    for asked in (VALIDATION, TEST, TEST_REFITTED):
        assert values["markov", asked.split, asked.trained_on, "ndcg_at_10"] > 2 * chance
    assert whole["protocol"]["seen"] == "filtered"
    assert {line["system"] for line in whole["resources"]} == {"popularity", "markov"}
    assert {"goal", "met"} == set(whole["goals"][0])
    page = pages.render_page("sequences", whole)
    assert "| markov |" in page
    assert "python -m benchmarks.sequences" in page


def test_command__refuses_with_one_line_and_code_two(tmp_path: Path) -> None:
    for content, more in (
        ("1 2 3 4\n2\n", []),
        (chains(), ["--seeds", "0"]),
    ):
        command = [sys.executable, "-m", "benchmarks.sequences", "--out", str(tmp_path / "out")]
        command += ["--data", str(written(tmp_path, content)), *more]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()


def test_select_systems__takes_their_order_and_names_what_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.sequences.systems.all_systems", plain_systems)
    assert [system.name for system in select_systems(["markov", "popularity"])] == ["popularity", "markov"]
    with pytest.raises(ValueError, match=r"--models: expected some of popularity, .* found 'magic'"):
        select_systems(["markov", "magic"])


class Fails:
    """Fits once, then never again."""

    name, choices, config, fits = "fails", {}, None, 0

    def fit(self, train: Interactions, *, seed: int, watch: object = None) -> None:
        Fails.fits += 1
        if Fails.fits > 1:
            raise MemoryError("lower embedding_size")

    def score(self, histories: Interactions) -> np.ndarray:
        return np.tile(np.arange(histories.items, dtype=np.float32), (len(histories), 1))


def test_experiment__one_system_that_fails_does_not_take_the_report_along(tmp_path: Path) -> None:
    sequences = read_sequences(written(tmp_path, chains(30)))
    parts, deadline, lines = split(sequences.interactions), Deadline(60), []
    experiment = Experiment(
        parts, LEAVE_ONE_OUT, Seen.FILTERED, Plan(60, 1), deadline, Progress(lines.append, lambda: 1.0)
    )
    known = plain_systems()
    findings = experiment.run(
        [known["popularity"], System("fails", lambda config: Fails(), None), known["markov"]]
    )
    assert "fails: failed with MemoryError: lower embedding_size" in findings.cut
    assert any("blend: not ranked on test (all_but_last)" in line for line in findings.cut)
    whole = report(sequences, parts, findings, Seen.FILTERED, {"budget_minutes": 1.0, "seeds": 1})
    assert whole["cut"] == findings.cut
    assert "| blend |" in table(whole)


def test_experiment__without_time_measures_the_first_system_only(tmp_path: Path) -> None:
    parts = split(read_sequences(written(tmp_path, chains(30))).interactions)
    progress = Progress(lambda line: None, lambda: 0.0)
    findings = Experiment(parts, LEAVE_ONE_OUT, Seen.KEPT, Plan(0.001, 3), Deadline(0), progress).run(
        [plain_systems()["popularity"], plain_systems()["markov"]]
    )
    assert list(findings.of(TEST_REFITTED)) == ["popularity"]
    assert any("markov: left out" in line for line in findings.cut)


def test_plan__shares_what_is_left_and_keeps_back_what_is_owed() -> None:
    plan = Plan(1000, seeds=3)
    quick, neural = System("quick", Fails, None), System("deep", Fails, None, is_neural=True)
    assert plan.share(1000, [quick, quick, neural], []) == pytest.approx((1000 - 120) / 10)
    # A system that is done owes a fit and a ranking, the one to come three rankings.
    done = [Cost(fit_seconds=30, rank_seconds=10)]
    assert plan.share(700, [neural], done) == pytest.approx(700 - 120 - 40 - 30)
    # What is drawn owes two more seeds, each of two fits and three rankings.
    done = [Cost(fit_seconds=30, rank_seconds=10, is_drawn=True)]
    assert plan.share(700, [neural], done) == pytest.approx(700 - 120 - 40 - 30 - 2 * (60 + 30))
    assert (plan.refits(quick), plan.refits(neural)) == (1, pytest.approx(3))


def test_plan__of_sessions_repeats_the_test_alone() -> None:
    plan, cost = Plan(1000, 3, PROTOCOL), Cost(fit_seconds=30, rank_seconds=10, is_drawn=True)
    assert plan.seconds_of_a_seed([cost, Cost(fit_seconds=500)]) == 30 + 10
    assert plan.refits(System("deep", Fails, None, is_neural=True)) == pytest.approx(0.6 * 3)


class Drawn(Fails):
    """Scores that are drawn."""

    def fit(self, train: Interactions, *, seed: int, watch: object = None) -> None:
        self.seed = seed

    def score(self, histories: Interactions) -> np.ndarray:
        return np.random.default_rng(self.seed).random((len(histories), histories.items)).astype(np.float32)


def test_depends_on_seed__of_counts_is_false_and_of_what_refuses_is_true() -> None:
    train = Interactions.of([[0, 1, 2, 3], [4, 0, 1], [1, 2, 3]], 5)
    assert not depends_on_seed(MARKOV.make, MARKOV.config, train)
    assert depends_on_seed(lambda config: Drawn(), None, train)
    assert depends_on_seed(lambda config: Fails(), None, train)


def test_experiment__repeats_what_is_drawn_and_the_blends_with_it(tmp_path: Path) -> None:
    parts = split(read_sequences(written(tmp_path, chains(40))).interactions)
    progress = Progress(lambda line: None, lambda: 0.0)
    systems = [MARKOV, System("drawn", lambda config: Drawn(), None)]
    findings = Experiment(parts, LEAVE_ONE_OUT, Seen.FILTERED, Plan(60, 3), Deadline(60), progress).run(
        systems
    )
    assert findings.cut == []
    for asked in (VALIDATION, TEST, TEST_REFITTED):
        count = {system: len(found) for system, found in findings.of(asked).items()}
        assert count == {"markov": 1, "drawn": 3, "blend": 3}
    first, second, _ = findings.outcomes["drawn", TEST_REFITTED]
    assert first.rank.tolist() != second.rank.tolist()


def row(system: str, value: float, trained_on: str = "all_but_last", metric: str = "ndcg_at_10") -> dict:
    return {
        "system": system,
        "split": "test",
        "metric": metric,
        "value": value,
        "trained_on": trained_on,
        "seeds": 1,
    }


def test_goals__are_those_of_the_file_when_it_is_known() -> None:
    rows = [row("blend", 0.07), row("markov", 0.06), row("popularity", 0.01)]
    rows += [row("blend", 0.1, metric="recall_at_10")]
    met = {goal["goal"]: goal["met"] for goal in goals(rows, BEAUTY) if "all_but_last)" in goal["goal"]}
    assert list(met.values()) == [True, True, True, False]
    assert "recall_at_10 of the blend >= 0.105 (test, trained on all_but_last)" in met
    assert len(goals(rows, "another")) == 4
    assert not any(goal["met"] for goal in goals([row("blend", 0.05), row("markov", 0.06)], "another"))


def test_figures__of_several_seeds_have_a_mean_and_a_spread(tmp_path: Path) -> None:
    from benchmarks.sequences.figures import result_columns
    from benchmarks.sequences.findings import Findings

    findings, asked = Findings(), Asked("all_but_last", "test")
    nobody = np.zeros((2, 20), np.int32)
    findings.outcomes["deep", asked] = [Outcome(np.array(ranks), nobody) for ranks in ([1, 99], [1, 1])]
    about, values = next(iter(result_columns(findings, asked)))
    assert (about["metric"], about["seeds"]) == ("ndcg_at_5", 2)
    assert values.tolist() == [1.0, 0.5]
    assert about["spread"] == pytest.approx(np.std([0.5, 1.0], ddof=1), abs=1e-6)
