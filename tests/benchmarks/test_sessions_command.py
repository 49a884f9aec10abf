"""The benchmark of sessions as one command, and what its report says."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pages
from benchmarks.sequences.systems import BLEND
from benchmarks.sessions.published import DIGINETICA, published_rows
from benchmarks.sessions.report import goals, with_session_intervals
from benchmarks.sessions.systems import session_systems
from pipelines.settings import CHECKOUT


def ring(sessions: int, seed: int, items: int = 40) -> list[list[int]]:
    """Walks around a ring of items, now and then with a step aside."""
    random = np.random.default_rng(seed)
    steps = random.choice([1, 1, 1, 7], size=(sessions, 5))
    return ((random.integers(items, size=(sessions, 1)) + steps.cumsum(axis=1)) % items).tolist()


def run(folder: Path, train: str, test: str, *more: str) -> subprocess.CompletedProcess[str]:
    (folder / "train.txt").write_text(train)
    (folder / "test.txt").write_text(test)
    command = [sys.executable, "-m", "benchmarks.sessions", "--train", str(folder / "train.txt")]
    command += ["--test", str(folder / "test.txt"), "--out", str(folder / "out"), *more]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)


def test_command__measures_files_it_has_never_seen(tmp_path: Path) -> None:
    train = "".join(" ".join(map(str, row)) + "\n" for row in ring(300, 1))
    test = "".join(
        f"{' '.join(map(str, row[:end]))}\t{row[end]}\n" for row in ring(60, 2) for end in (4, 3, 2, 1)
    )
    done = run(tmp_path, train, test, "--models", "popularity", "session_neighbours", "--budget-minutes", "5")
    assert done.returncode == 0, done.stderr
    whole = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (tmp_path / "out" / "table.md").read_text() == done.stdout
    assert (tmp_path / "out" / "sessions.png").stat().st_size > 10_000
    assert whole["data"]["sessions"] == 300
    assert whole["data"]["validation_sessions"] == 45
    assert (whole["data"]["test_sessions"], whole["data"]["test_prefixes"]) == (60, 240)
    values = {(row["system"], row["split"], row["metric"]): row["value"] for row in whole["results"]}
    for split in ("validation", "test"):
        assert values["session_neighbours", split, "mrr_at_20"] > 0.5
        assert values["session_neighbours", split, "mrr_at_20"] > 3 * values["popularity", split, "mrr_at_20"]
    assert "| session_neighbours |" in pages.render_page("sessions", whole)


def test_command__refuses_bad_input_with_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "1 2\n3 four\n", "1\t2\n")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "train.txt, line 2, field 2" in done.stderr
    assert not (tmp_path / "out").exists()


def test_session_systems__without_names_leave_out_what_takes_their_time() -> None:
    names = [system.name for system in session_systems(None)]
    assert names == ["popularity", "markov", "item_neighbours", "session_neighbours", "attention"]
    with pytest.raises(ValueError, match="strange"):
        session_systems(["strange"])


def test_with_session_intervals__means_over_prefixes_with_intervals_over_sessions() -> None:
    # Two sessions, all right and all wrong: a sample holds the right one twice, once or never.
    values, session = np.array([1.0, 1.0, 1.0, 0.0]), np.array([3, 3, 3, 8])
    (row,) = with_session_intervals([({"metric": "mrr_at_20"}, values)], session)
    assert row == {"metric": "mrr_at_20", "value": 0.75, "low": 0.0, "high": 1.0}


def test_goals__hold_the_blend_against_every_retriever_and_the_figure_set() -> None:
    def row(system: str, value: float) -> dict[str, object]:
        return {"system": system, "split": "test", "metric": "mrr_at_20", "value": value, "seeds": 1}

    rows = [row(BLEND, 0.2), row("markov", 0.21), row("popularity", 0.01)]
    assert [goal["met"] for goal in goals(rows, 0.195)] == [False, True, True]
    assert [goal["met"] for goal in goals([row(BLEND, 0.19), *rows[2:]], 0.195)] == [True, True, False]
    assert len(goals(rows, None)) == 2


def test_published_rows__are_of_the_known_file_only() -> None:
    assert {
        row["system"]: row["value"] for row in published_rows(DIGINETICA) if row["metric"] == "mrr_at_20"
    } == {
        "published: GRU4Rec": 0.0822,
        "published: NARM": 0.16,
        "published: SR-GNN": 0.1778,
        "published: GCE-GNN": 0.1904,
    }
    assert published_rows("another") == []
