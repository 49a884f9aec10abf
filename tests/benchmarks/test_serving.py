"""The benchmark of the endpoint: its inputs, its goals, and one small run of everything."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pages
from benchmarks.serving.inputs import InputError, prepare, read_histories
from benchmarks.serving.report import ECHO, MODEL, Measured, goals, report
from benchmarks.serving.systems import BENTOML, BENTOML_THREADS, PLANE, ROUTED
from pipelines.load_test.driver import Seen
from pipelines.settings import CHECKOUT, Settings
from serving.sqlite_state import SqliteState
from tests.benchmarks.small_events import write_events
from tests.serving.tiny_bundle import write_tiny_bundle


def test_prepare__makes_a_state_of_the_purchases_and_leaves_the_bundle_alone(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    events = write_events(tmp_path / "events.parquet")
    shop = prepare(tmp_path / "bundle", events, tmp_path / "home", Settings(home=tmp_path))
    assert shop.users == ["1", "2"]
    assert (shop.facts()["items"], shop.facts()["users"]) == (6, 2)
    state = SqliteState(shop.state_file)
    history = state.history("1")
    state.close()
    assert (history.items.tolist(), history.baskets.tolist()) == (["40", "50", "50"], [0, 0, 1])
    assert shop.environment["SHOPLOOP_STATE_FILE"].startswith(str(tmp_path / "home"))
    # The home's own state, when no events are given, is copied.
    own = Settings(home=shop.home)
    again = prepare(tmp_path / "bundle", None, tmp_path / "again", own)
    assert (again.users, again.state_file.is_file()) == (["1", "2"], True)


def test_prepare__says_what_is_missing(tmp_path: Path) -> None:
    nothing = Settings(home=tmp_path)
    with pytest.raises(InputError, match="No release is live; give --bundle"):
        prepare(None, None, tmp_path / "a", nothing)
    with pytest.raises(InputError, match=r"--bundle: .*items\.json"):
        prepare(tmp_path, None, tmp_path / "b", nothing)
    write_tiny_bundle(tmp_path / "bundle")
    with pytest.raises(InputError, match="no state; give --events"):
        prepare(tmp_path / "bundle", None, tmp_path / "c", nothing)
    (tmp_path / "text").write_text("text")
    for file in (tmp_path / "absent.parquet", tmp_path / "text"):
        with pytest.raises(InputError, match="no accepted events"):
            read_histories(file)
    with pytest.raises(InputError, match="no purchase in it"):
        read_histories(write_events(tmp_path / "views.parquet", "view"))


def seen(answers: int, milliseconds: float = 1.0, errors: int = 0, slow: int = 0) -> Seen:
    """A run of ten seconds, the last ``slow`` answers a hundred times slower."""
    taken = [milliseconds] * (answers - slow) + [100 * milliseconds] * slow
    due = [10 * number / answers for number in range(answers)]
    return Seen(due, taken, Counter({"HTTP 429": errors} if errors else {}), Counter(), [0.1], 10.0, 0.5)


def measured(fixed: Seen) -> Measured:
    found = Measured(100.0)
    for split, plane, plain in ((MODEL, 3000, 1000), (ECHO, 4900, 900)):
        for system, answers in {
            PLANE: plane,
            ROUTED: plane - 10,
            BENTOML: plain,
            BENTOML_THREADS: 500,
        }.items():
            found.fastest[split, system] = [seen(1), seen(answers), seen(9999)]
    found.fastest[ECHO, BENTOML_THREADS] = [seen(1000)]
    found.fixed = {(100.0, ROUTED): fixed, (100.0, BENTOML): Seen(errors=Counter({"closed": 3}))}
    return found


def met(fixed: Seen) -> dict[str, Any]:
    return {goal["goal"]: (goal["met"], goal["value"]) for goal in goals(measured(fixed))}


def test_goals__are_judged_by_quantiles_failures_and_the_faster_peer() -> None:
    assert met(seen(1000, 1.0, slow=10)) == {
        "failed requests of endpoint at 100 a second == 0": (True, 0),
        "p90_ms of endpoint at 100 a second < 7": (True, 1.0),
        "p99_ms of endpoint at 100 a second < 20": (True, 1.0),
        "requests a second of data_plane / bentoml_api >= 3": (True, 3.0),
        "requests a second of endpoint / bentoml_api >= 3": (False, 2.99),
        "requests a second of data_plane / bentoml_api_threads, the model's work left out of both, >= 5": (
            *(False, 4.9),
        ),
        "requests a second of endpoint / bentoml_api_threads, the model's work left out of both, >= 5": (
            *(False, 4.89),
        ),
    }
    assert met(seen(1000, 1.0, slow=11))["p99_ms of endpoint at 100 a second < 20"] == (False, 100.0)
    assert met(seen(999, 7.0))["p90_ms of endpoint at 100 a second < 7"] == (False, 7.0)
    assert met(seen(999, errors=1))["failed requests of endpoint at 100 a second == 0"] == (False, 1)
    assert not any(is_met for is_met, _ in [*met(Seen()).values()][:3])


def test_page__shows_rounds_failures_and_latencies() -> None:
    facts = {"items": 30_601, "processes": 2, "users": 2_469, "path": "bundle", "sha256": "0"}
    page = pages.render_page("serving", report(measured(seen(1000, slow=11, errors=2)), facts))
    assert (
        "30,601 items are scored for each of 2,469 shoppers in turn; every service has 2 processes." in page
    )
    assert "| model | data_plane | 300 (0.1 to 999.9) | 0 |" in page
    assert "| 100 a second | endpoint | 100 | 2 | 1 | 1 | 100 | 100 |" in page
    assert "| 100 a second | bentoml_api | 0 | 3 | none | none | none | none |" in page
    assert "- **not met**: p99_ms of endpoint at 100 a second < 20; reached: 100" in page


def test_command__measures_everything_in_one_run(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    events = write_events(tmp_path / "events.parquet")
    command = [sys.executable, "-m", "benchmarks.serving", "--out", str(tmp_path / "out")]
    command += ["--bundle", str(tmp_path / "bundle"), "--events", str(events)]
    command += ["--rate", "20", "--seconds", "1", "--rounds", "1", "--round-seconds", "0.3"]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    whole = json.loads((tmp_path / "out" / "report.json").read_text())
    found = {(row["system"], row["split"], row["metric"]): row["value"] for row in whole["results"]}
    for split in (MODEL, ECHO):
        for system in (ROUTED, PLANE, BENTOML, BENTOML_THREADS):
            assert found[system, split, "per_second"] > 0
            assert found[system, split, "failed_requests"] == 0
    assert found[ROUTED, "20 a second", "failed_requests"] == 0
    assert found[ROUTED, "20 a second", "p99_ms"] > 0
    assert len(ran.stdout.splitlines()) == len(whole["goals"]) == 7
    assert (tmp_path / "out" / "serving.png").stat().st_size > 1000
    told = subprocess.run(
        [*command[:-8], "--bundle", str(tmp_path)], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert told.returncode == 2
    assert "--bundle: " in told.stderr
