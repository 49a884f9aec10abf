"""The stages ``validate_data`` and ``split_weeks`` as they run: files in, files out, the same bytes each "
"time."""

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.contracts import CONTRACTS, EVENTS, ITEMS, REFERENCE, REVIEWS
from pipelines.contracts.samples import sample_rows
from pipelines.evaluation.folds import read_folds
from pipelines.evaluation.splits import targets_sha256
from pipelines.evaluation.truth import read_histories
from pipelines.params import load_params
from pipelines.settings import CHECKOUT
from pipelines.tables import read_json, read_table, sha256, write_json, write_table
from pipelines.validation import catalog_faults, known_at
from pipelines.weeks import ShopCalendar

CALENDAR = ShopCalendar.of(load_params(CHECKOUT / "params.yaml").shop)
WEEKS, PER_WEEK = 6, 40


def week_events(week: int, changes: dict[str, object] | None = None) -> pa.Table:
    """Forty shoppers buy the sample item in the middle of a week."""
    moment = CALENDAR.start(week) + timedelta(days=2)
    rows = {
        number: {
            "event_id": f"w{week}-{number}",
            "user_id": str(number),
            "basket_id": f"b{week}-{number}",
            "occurred_at": moment - timedelta(minutes=number),
            "ingested_at": CALENDAR.end(week),
            **(changes or {}),
        }
        for number in range(PER_WEEK)
    }
    return sample_rows(EVENTS, PER_WEEK, rows)


def write_inputs(workspace: Path, events: dict[str, pa.Table]) -> None:
    inputs = workspace / "data" / "inputs"
    for name, table in events.items():
        write_table(inputs / "events" / f"{name}.parquet", table)
    for contract in REFERENCE:
        write_table(inputs / f"{contract.name}.parquet", sample_rows(contract, 3))
    # One review is of an item that the catalog does not have, another is not known yet.
    changes = {7: {"item_id": "gone"}, 60: {"ingested_at": CALENDAR.end(WEEKS) + timedelta(hours=1)}}
    write_table(inputs / "reviews" / "week-3.parquet", sample_rows(REVIEWS, 61, changes))
    write_json(
        inputs / "clock.json", {"week": WEEKS, "as_of": CALENDAR.end(WEEKS).strftime("%Y-%m-%dT%H:%M:%SZ")}
    )
    shutil.copy(CHECKOUT / "params.yaml", workspace / "params.yaml")


def run_stage(workspace: Path, name: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", f"pipelines.stages.{name}"],
        cwd=workspace, env={"PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def outputs(workspace: Path) -> dict[str, str]:
    folders = [workspace / "data/validated", workspace / "data/split", workspace / "reports"]
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(workspace)): sha256(path) for path in files}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two workspaces with the same rows, in other files and another order."""
    by_week = {f"week-{week}": week_events(week) for week in range(1, WEEKS + 1)}
    late = week_events(WEEKS, {"ingested_at": CALENDAR.end(WEEKS) + timedelta(hours=1)}).slice(0, 2)
    late = late.set_column(0, "event_id", pa.array(["late-1", "late-2"]))
    whole = pa.concat_tables([*reversed(list(by_week.values())), late])
    workspaces = []
    for number, events in enumerate(({**by_week, "late": late}, {"all": whole})):
        workspace = tmp_path_factory.mktemp(f"run{number}")
        write_inputs(workspace, events)
        for stage in ("validate_data", "split_weeks"):
            done = run_stage(workspace, stage)
            assert done.returncode == 0, done.stderr
        workspaces.append(workspace)
    return workspaces


def test_stages__give_the_same_bytes_for_the_same_rows(runs: list[Path]) -> None:
    first, second = (outputs(workspace) for workspace in runs)
    assert first == second
    assert len(first) == len(CONTRACTS) + 7 + 1


def test_validate_data__leaves_out_what_was_not_known_yet(runs: list[Path]) -> None:
    events = read_table(runs[0] / "data/validated/events.parquet")
    assert events.num_rows == WEEKS * PER_WEEK
    assert events["occurred_at"].to_pylist() == sorted(events["occurred_at"].to_pylist())


def test_validation_report__counts_weeks_and_rules(runs: list[Path]) -> None:
    said = read_json(runs[0] / "reports/validation.json")
    assert said["events_per_week"] == {f"00{week}": PER_WEEK for week in range(1, WEEKS + 1)}
    assert said["faults"] == []
    assert said["unjoined"] == {"events": 0, "reviews": 1, "impressions": 0, "queries": 0}
    assert said["rows"]["reviews"] == 60
    assert {"data_set": "events", "rule": "event_id_unique", "kept": True, "unexpected": 0} in said["rules"]


def test_split_weeks__freezes_the_holdout(runs: list[Path]) -> None:
    split = read_json(runs[0] / "data/split/split.json")
    assert split["decision_week"] == WEEKS
    holdout = split["holdout"]
    assert (holdout["week"], holdout["events"], holdout["targets"]) == (
        WEEKS,
        (WEEKS - 1) * PER_WEEK,
        PER_WEEK,
    )
    assert (split["validation"]["week"], split["validation"]["events"]) == (WEEKS - 1, (WEEKS - 2) * PER_WEEK)
    targets = read_table(runs[0] / "data/split/holdout_targets.parquet")
    assert holdout["targets_sha256"] == targets_sha256(targets)
    events = read_table(runs[0] / "data/split/holdout_events.parquet")
    assert events.column_names == [*EVENTS.column_names, "week"]


def test_history_weeks__cuts_what_is_learned_from_and_not_what_shoppers_are_asked_with(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(runs[0] / "data", tmp_path / "data")
    params = (runs[0] / "params.yaml").read_text()
    assert "history_weeks: 53" in params
    (tmp_path / "params.yaml").write_text(params.replace("history_weeks: 53", "history_weeks: 3"))
    for stage in ("split_weeks", "build_features"):
        done = run_stage(tmp_path, stage)
        assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)

    learned = read_table(tmp_path / "data/features/holdout/basket_lines.parquet")
    histories = read_histories("holdout", read_folds()["holdout"])

    assert set(learned["week"].to_pylist()) == {WEEKS - 3, WEEKS - 2, WEEKS - 1}
    assert {len(history.items) for history in histories} == {WEEKS - 1}


def test_validate_data__fails_with_a_report_when_a_rule_is_broken(tmp_path: Path) -> None:
    batches = {f"week-{week}": week_events(week) for week in range(1, WEEKS)}
    batches["week-6"] = week_events(WEEKS, {"item_id": "not in the catalog"}).slice(0, 10)
    batches["again"] = week_events(1).slice(0, 1)
    write_inputs(tmp_path, batches)
    done = run_stage(tmp_path, "validate_data")
    assert done.returncode != 0
    assert "event_id_unique broken in 2 rows" in done.stderr
    assert "week 6: expected between 20 and 80 events" in done.stderr
    assert "week 6: expected between 20 and 80 shoppers who bought something" in done.stderr
    assert "about an item that is not in items, found 4.7% (10, for example" in done.stderr
    assert (
        "events of week 6: expected at most 2.0% about an item that is not in items, found 100.0%"
        in done.stderr
    )
    assert len(read_json(tmp_path / "reports/validation.json")["faults"]) == 5
    assert not (tmp_path / "data/validated").exists(), "nothing goes on from here"


def test_catalog_faults__look_at_the_week_alone() -> None:
    new = week_events(6, {"item_id": "new"}).slice(0, 1)
    events = pa.concat_tables([*(week_events(week) for week in range(1, 6)), week_events(6).slice(1), new])
    tables = {"events": events, "items": sample_rows(ITEMS, 3)}
    # One of 40 in the week is 2.5 %; of all 240 it is 0.4 %.
    (fault,) = catalog_faults(tables, CALENDAR, 6, 0.02)
    assert "events of week 6: expected at most 2.0%" in fault
    assert "found 2.5% (1, for example 'new')" in fault
    assert catalog_faults(tables, CALENDAR, 5, 0.02) == []
    assert catalog_faults(tables, CALENDAR, 6, 0.025) == []


def test_validate_data__names_a_missing_input(tmp_path: Path) -> None:
    write_inputs(tmp_path, {"week-1": week_events(1)})
    (tmp_path / "data/inputs/items.parquet").unlink()
    done = run_stage(tmp_path, "validate_data")
    assert done.returncode != 0
    assert "data/inputs/items.parquet: expected a readable Parquet file" in done.stderr


def test_known_at__is_open_at_the_moment_itself() -> None:
    moment = CALENDAR.end(3)
    rows = {0: {"occurred_at": moment, "ingested_at": moment}, 1: {"ingested_at": moment}}
    assert known_at(sample_rows(EVENTS, 2, rows), moment).num_rows == 1
