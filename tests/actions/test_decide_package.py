"""The package decision on a real Bento that is really started."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.actions.decide_package import decide_package, looked_into
from pipelines.gates.package import Rehearsal
from pipelines.releases.ledger import Ledger
from pipelines.releases.rehearsal import MARK, KnownQuery, difference
from pipelines.run_facts import read_result, write_result
from pipelines.settings import Settings
from tests.actions.conftest import act, make_workspace
from tests.serving.tiny_bundle import NOW, WEEK, tea_drinker

TEA = [["50", 2.2], ["40", 0.4 + 2 * 0.81 / 1.71], ["10", 1.0]]
POPULAR = [["10", 1.0], ["20", 0.8]]


def query(user_id: str, expected: list[list[Any]], now: int = NOW) -> dict[str, Any]:
    """A known query as evaluation writes it; ``nobody`` has no history."""
    known = tea_drinker(user_id)
    rows = slice(0, 0) if user_id == "nobody" else slice(None)
    history = {name: getattr(known, name)[rows].tolist() for name in ("items", "times", "baskets")}
    return {"user_id": user_id, "now": now, "history": history, "expected": expected}


def trial(built: Path, folder: Path, queries: list[dict[str, Any]] | str, damage: bool = False) -> Path:
    """A workspace with the built Bento, a copy of it when it is to be damaged, and known queries."""
    workspace = make_workspace(folder)
    result = read_result(built, "build_bento")
    if damage:
        result["bento_path"] = str(shutil.copytree(result["bento_path"], folder / "bento"))
    write_result(workspace, "build_bento", result)
    (workspace / "reports").mkdir()
    text = queries if isinstance(queries, str) else json.dumps({"queries": queries})
    (workspace / "reports" / "known_queries.json").write_text(text)
    return workspace


def bento_of(workspace: Path) -> Path:
    return Path(read_result(workspace, "build_bento")["bento_path"])


def check(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in result["checks"] if check["name"] == name)


@pytest.fixture
def ledger(here: Settings) -> Ledger:
    return Ledger(here.ledger)


@pytest.fixture(autouse=True)
def _no_process_left(here: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of this test; another installation on the machine may be trying a Bento meanwhile."""
    monkeypatch.setenv("SHOPLOOP_HOME", str(here.home))
    yield
    started = {process: environment_of(process) for process in psutil.process_iter()}
    ours = {process for process, facts in started.items() if facts.get("SHOPLOOP_HOME") == str(here.home)}
    assert [process for process in ours if MARK in started[process]] == []


def environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def test_decide_package__passes_a_good_bento(here: Settings, built: Path, tmp_path: Path) -> None:
    later = query("2", [["50", 2.2]], now=NOW + WEEK)
    workspace = trial(built, tmp_path / "run", [query("1", TEA), query("nobody", POPULAR), later])
    done = act(here, "decide_package", workspace)
    assert done.returncode == 0, done.stderr
    result = read_result(workspace, "decide_package")
    assert (result["verdict"], result["branch"]) == ("PASS", "release_model")
    assert "goes on with release_model" in done.stdout
    assert check(result, "known_queries")["observed"] == 3
    assert check(result, "no_secrets")["verdict"] == "PASS"
    assert "libraries have a licence that the policy allows" in check(result, "licences_allowed")["message"]
    assert "1 file not committed (x)" in check(result, "code_is_committed")["message"]
    assert 0 < check(result, "p99_latency_ms")["observed"] < 1000
    assert 50 < check(result, "peak_memory_mib")["observed"] < 2000
    assert check(result, "memory_growth_kib")["verdict"] == "PASS"
    assert check(result, "hides_what_is_hidden")["verdict"] == "PASS"


def test_decide_package__a_bento_that_keeps_64_kib_of_each_answer_is_refused(
    here: Settings, ledger: Ledger, built: Path, tmp_path: Path
) -> None:
    workspace = trial(built, tmp_path / "run", [query("1", TEA), query("nobody", POPULAR)], damage=True)
    file = bento_of(workspace) / "src" / "serving" / "recommender.py"
    asks = "            return self._model.recommend(history, now, k, allowed, observe, wishes)\n"
    code = file.read_text()
    assert code.count(asks) == 1
    code = code.replace(asks, "            KEPT.append(b'x' * 65536)\n" + asks)
    file.write_text(code.replace("class Recommender:\n", "KEPT = []\n\n\nclass Recommender:\n"))
    result = decide_package(here, ledger, workspace)
    assert result["verdict"] == "FAIL"
    failed = [found["name"] for found in result["checks"] if found["verdict"] == "FAIL"]
    assert failed == ["memory_growth_kib"]
    assert "more held after each answer" in check(result, "memory_growth_kib")["message"]


def spoil(workspace: Path, old: str, new: str) -> None:
    """Change one place in the code of a built Bento."""
    file = bento_of(workspace) / "src" / "serving" / "recommender.py"
    code = file.read_text()
    assert code.count(old) == 1
    file.write_text(code.replace(old, new))


def test_decide_package__a_bento_that_falls_back_now_and_then_is_refused(
    here: Settings, ledger: Ledger, built: Path, tmp_path: Path
) -> None:
    workspace = trial(built, tmp_path / "run", [query("1", TEA), query("nobody", POPULAR)], damage=True)
    asks = "            return self._model.recommend(history, now, k, allowed, observe, wishes)\n"
    spoil(workspace, asks, "            ASKED.append(1)\n            1 / (len(ASKED) % 51)\n" + asks)
    spoil(workspace, "class Recommender:\n", "ASKED = []\n\n\nclass Recommender:\n")
    result = decide_package(here, ledger, workspace)
    failed = [found["name"] for found in result["checks"] if found["verdict"] == "FAIL"]
    assert failed == ["known_queries"]
    assert "asked again, user 1" in check(result, "known_queries")["message"]


def test_decide_package__a_bento_that_shows_what_is_hidden_is_refused(
    here: Settings, ledger: Ledger, built: Path, tmp_path: Path
) -> None:
    workspace = trial(built, tmp_path / "run", [query("1", TEA), query("nobody", POPULAR)], damage=True)
    looks = "        # The same object as long as no item is put: what follows from it is worked out once.\n"
    spoil(workspace, looks, "        return None\n")
    result = decide_package(here, ledger, workspace)
    failed = [found["name"] for found in result["checks"] if found["verdict"] == "FAIL"]
    assert failed == ["hides_what_is_hidden"]
    assert (
        "/v1/recommendations shows item 50, which is hidden"
        in check(result, "hides_what_is_hidden")["message"]
    )


def test_decide_package__wrong_answer_fails_with_place_and_items(
    here: Settings, ledger: Ledger, built: Path, tmp_path: Path
) -> None:
    permuted = [["40", 2.2], *TEA[1:]]
    workspace = trial(built, tmp_path / "run", [query("1", permuted), query("nobody", POPULAR)])
    result = decide_package(here, ledger, workspace)
    assert (result["verdict"], result["branch"]) == ("FAIL", "refused_package")
    assert "user 1, place 1: expected item 40, found 50" in result["summary"]


def test_decide_package__corrupt_model_file_fails_by_name(
    here: Settings, ledger: Ledger, built: Path, tmp_path: Path
) -> None:
    workspace = trial(built, tmp_path / "run", [query("1", TEA), query("nobody", POPULAR)], damage=True)
    file = bento_of(workspace) / "src" / "bundle" / "popularity.npz"
    file.write_bytes(b"not what was sealed")
    result = decide_package(here, ledger, workspace)
    assert result["verdict"] == "FAIL"
    assert check(result, "files_intact")["verdict"] == "FAIL"
    assert "popularity.npz" in check(result, "files_intact")["message"]
    assert "popularity.npz" in check(result, "starts")["message"]
    assert check(result, "p99_latency_ms")["verdict"] == "INSUFFICIENT_EVIDENCE"


def test_looked_into__planted_secrets_and_licences_of_a_real_bento(
    here: Settings, built: Path, tmp_path: Path
) -> None:
    bento = bento_of(trial(built, tmp_path / "run", [], damage=True))
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"events_token": "Zm9vYmFyYmF6cXV4"}))
    honest = looked_into(Rehearsal("t"), bento, secrets)
    assert honest.secrets == ()
    assert len(honest.licences) > 50
    (bento / "src" / "serving" / "app.py").write_text("TOKEN = read('Zm9vYmFyYmF6cXV4')\n")
    with (bento / "src" / "requirements.txt").open("a") as lock:
        lock.write("planted==1.0\n")
    struck = looked_into(Rehearsal("t"), bento, secrets)
    assert struck.secrets == ("src/serving/app.py, line 1: events_token of this installation",)
    assert struck.licences == {**honest.licences, "planted": ""}
    (bento / "src" / "requirements.txt").unlink()
    assert looked_into(Rehearsal("t"), bento, secrets).licences == {}


def test_decide_package__bento_that_does_not_start_fails_with_its_last_words(
    here: Settings, ledger: Ledger, built: Path, tmp_path: Path
) -> None:
    workspace = trial(built, tmp_path / "run", [query("1", TEA), query("nobody", POPULAR)], damage=True)
    (bento_of(workspace) / "src" / "serving" / "app.py").write_text(
        "raise ImportError('a library is missing')\n"
    )
    result = decide_package(here, ledger, workspace)
    assert result["verdict"] == "FAIL"
    assert "a library is missing" in check(result, "starts")["message"]
    assert "ended before it was ready" in check(result, "starts")["message"]  # and was not waited for


def test_decide_package__too_few_or_broken_known_queries_release_nothing(
    here: Settings, ledger: Ledger, built: Path, tmp_path: Path
) -> None:
    few = decide_package(here, ledger, trial(built, tmp_path / "few", [query("1", TEA)]))
    assert (few["verdict"], few["branch"]) == ("INSUFFICIENT_EVIDENCE", "refused_package")
    broken = decide_package(here, ledger, trial(built, tmp_path / "broken", "{"))
    assert (broken["verdict"], broken["branch"]) == ("FAIL", "refused_package")
    assert "known_queries.json" in broken["summary"]


def test_difference__neighbours_with_equal_scores_may_change_places() -> None:
    def answer(*items: tuple[str, float]) -> dict[str, Any]:
        return {"items": [{"item_id": item, "score": score} for item, score in items]}

    asked = KnownQuery("1", NOW, (("a", 2.0), ("b", 1.0), ("c", 1.0)))
    assert difference(asked, answer(("a", 2.00001), ("c", 1.0), ("b", 1.0))) == ""
    assert "place 1" in difference(asked, answer(("b", 1.0), ("a", 2.0), ("c", 1.0)))
    assert "score" in difference(asked, answer(("a", 2.01), ("b", 1.0), ("c", 1.0)))
    assert "twice" in difference(asked, answer(("a", 2.0), ("b", 1.0), ("b", 1.0)))
    assert "place 3" in difference(asked, answer(("a", 2.0), ("b", 1.0), ("d", 1.0)))
    edge = replace(asked, tied=(("d", 1.0), ("e", 1.0)))
    assert difference(edge, answer(("a", 2.0), ("d", 1.0), ("e", 1.0))) == ""
    assert "place 1" in difference(edge, answer(("d", 1.0), ("b", 1.0), ("c", 1.0)))
    assert "place 3" in difference(edge, answer(("a", 2.0), ("b", 1.0), ("f", 1.0)))
    assert "expected 3 items" in difference(asked, answer(("a", 2.0)))
