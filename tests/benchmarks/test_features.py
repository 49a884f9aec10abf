from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import pages
from benchmarks.features import in_pandas, in_polars, in_spark
from benchmarks.features.equality import DifferentError, check_equal
from benchmarks.features.inputs import Inputs, all_views, make_inputs
from benchmarks.features.one_run import SYSTEMS
from benchmarks.features.report import goals, report, table
from benchmarks.features.runs import Limits, Run, run
from pipelines.params import load_params
from pipelines.settings import CHECKOUT
from pipelines.tables import read_json
from pipelines.weeks import EPOCH, MICROSECOND, ShopCalendar, to_micros

LIMITS = Limits(seconds=60, gib=4)
WEEKS = (30, 41, 42, 43)
ITEMS = [
    {"item_id": f"{number}", "category": category, "brand": brand, "recommendable": number != 9}
    for number, (category, brand) in enumerate([("a", "own"), ("a", "other"), ("b", None), (None, "own")] * 3)
]


@pytest.fixture(scope="module")
def calendar() -> ShopCalendar:
    return ShopCalendar.of(load_params(CHECKOUT / "params.yaml").shop)


@pytest.fixture(scope="module")
def tables(calendar: ShopCalendar) -> dict[str, pa.Table]:
    """Three households that buy something in each of four weeks, pairs often enough to count."""
    events = [
        _event(calendar, week, user, turn, item)
        for week in WEEKS
        for user in range(1, 4)
        for turn in range(user)
        for item in {(user * turn + step * step + week) % len(ITEMS) for step in range(7)} | {0, 1, 9}
    ]
    events += [{**events[0], "event_id": "nobasket", "basket_id": None, "value": None}, _redeemed(events[40])]
    events.append({**events[5], "event_id": "mended", "corrects": events[5]["event_id"], "value": 9.9})
    # The catalog's first item was promoted twice, and the spans overlap.
    promotions = [
        _promotion(calendar, name, week, until) for name, week, until in (("p", 40, 43), ("q", 42, 46))
    ]
    weeks = pa.array([event.pop("week") for event in events], pa.int32())
    made = pa.Table.from_pylist(events).append_column("week", weeks)
    made = made.sort_by([("occurred_at", "ascending"), ("event_id", "ascending")])
    users = pa.table({"user_id": ["1", "2", "3"]})
    items, promoted = pa.Table.from_pylist(ITEMS), pa.Table.from_pylist(promotions)
    return {"events": made, "items": items, "users": users, "promotions": promoted}


def _event(calendar: ShopCalendar, week: int, user: int, turn: int, item: int) -> dict[str, object]:
    basket = f"{(week * 10 + user) * 10 + turn}"
    moment = calendar.start(week) + (turn * 40 + user) * 3_600_000_000 * MICROSECOND
    return {
        "event_id": f"e{basket}-{item}",
        "event_type": "purchase",
        "user_id": f"{user}",
        "item_id": f"{item}",
        "basket_id": basket,
        "quantity": 1.0 + item % 2,
        "value": 0.1 * item + 1.3,
        "discount": 0.3 if item % 3 == 0 else None,
        "campaign_id": None,
        "coupon_id": None,
        "corrects": None,
        "occurred_at": moment,
        "ingested_at": calendar.end(week),
        "week": week,
    }


def _redeemed(event: dict[str, object]) -> dict[str, object]:
    about = {"event_type": "redemption", "campaign_id": "c", "coupon_id": "k", "event_id": "redeemed"}
    return event | about | {"item_id": None, "basket_id": None, "quantity": None, "value": None}


def _promotion(calendar: ShopCalendar, name: str, week: int, until: int) -> dict[str, object]:
    about = {"promotion_id": name, "campaign_id": f"c{name}", "coupon_id": f"k{name}", "item_id": "0"}
    return about | {"starts_at": calendar.start(week), "ends_at": calendar.start(until)}


@pytest.fixture(scope="module")
def inputs(
    tables: dict[str, pa.Table], calendar: ShopCalendar, tmp_path_factory: pytest.TempPathFactory
) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    return make_inputs(folder, tables, calendar, to_micros(calendar.start(44)), times=2)


@pytest.fixture(scope="module")
def built(inputs: Inputs) -> Path:
    """Views of DuckDB and, beside them, of pandas and Polars."""
    for system in ("duckdb", "pandas", "polars"):
        with SYSTEMS[system](all_views(), inputs) as build:
            build()
    return inputs.folder


@pytest.mark.parametrize("peer", [in_pandas, in_polars, in_spark])
def test_peer__writes_every_view_that_params_name(peer: object) -> None:
    assert [name for name in all_views() if not callable(getattr(peer, name, None))] == []


@pytest.mark.parametrize("system", ["pandas", "polars"])
def test_peer__agrees_with_duckdb(system: str, built: Path) -> None:
    rows = {name: pq.read_metadata(built / system / f"{name}.parquet").num_rows for name in all_views()}
    assert [name for name, count in rows.items() if count == 0] == []
    check_equal(all_views(), built / "duckdb", built / system)


def test_check_equal__tells_the_view_and_column_that_differ(built: Path, tmp_path: Path) -> None:
    households = pq.read_table(built / "duckdb" / "households.parquet")
    for factor, same in ((1 + 1e-12, True), (1 + 1e-6, False)):
        spend = pa.array([value * factor for value in households["spend"].to_pylist()])
        pq.write_table(
            households.drop_columns("spend").append_column("spend", spend), tmp_path / "households.parquet"
        )
        if same:
            check_equal(("households",), built / "duckdb", tmp_path)
    with pytest.raises(DifferentError, match=r"households\.spend: 6 rows differ"):
        check_equal(("households",), built / "duckdb", tmp_path)


def test_make_inputs__copies_households_and_keeps_weeks_and_baskets(
    inputs: Inputs, tables: dict[str, pa.Table], calendar: ShopCalendar
) -> None:
    events = pq.read_table(inputs.path("events"))
    assert (inputs.events, inputs.households) == (events.num_rows, 6)
    assert events.num_rows == 2 * tables["events"].num_rows
    assert sorted(set(events["user_id"].to_pylist())) == ["1", "2", "2501", "2502", "2503", "3"]
    assert len(set(events["event_id"].to_pylist())) == events.num_rows
    moments: dict[str, set[object]] = {}
    for row in events.to_pylist():
        assert calendar.week_of(row["occurred_at"]) == row["week"]
        moments.setdefault(row["basket_id"] or row["event_id"], set()).add(row["occurred_at"])
    assert {len(seen) for seen in moments.values()} == {1}
    order = [(row["occurred_at"] - EPOCH, row["event_id"]) for row in events.to_pylist()]
    # Files are sorted as the contract says, since DuckDB sums in their order.
    assert order == sorted(order)


def test_run__measures_a_build_in_a_process_of_its_own(inputs: Inputs) -> None:
    made = run("polars", inputs.folder, all_views(), LIMITS)
    assert made.fault == ""
    assert made.seconds is not None
    assert made.peak_gib > 0
    assert made.cpu_seconds > 0


def test_run__says_why_it_did_not_finish(inputs: Inputs) -> None:
    assert (
        run("pandas", inputs.folder, all_views(), Limits(0.2, 4)).fault
        == "did not finish in 0.00333333 minutes"
    )
    assert run("pandas", inputs.folder, all_views(), Limits(60, 0.01)).fault == "did not finish in 0.01 GiB"
    assert run("pandas", inputs.folder, ("no_such_view",), LIMITS).fault == "failed: KeyError: 'no_such_view'"


def test_goals__count_losses_growth_and_memory(inputs: Inputs) -> None:
    measured = {
        ("duckdb", 1): [Run(2.0, 2.0, 0.5), Run(4.0, 2.0, 0.5), Run(3.0, 2.0, 0.5)],
        ("polars", 1): [Run(2.5, 2.0, 0.5)],
        ("duckdb", 10): [Run(40.0, 2.0, 4.5)],
        ("polars", 10): [Run(None, 2.0, 9.0, "did not finish in 9 GiB")],
    }
    assert goals(measured) == [
        {"goal": "seconds of duckdb < seconds of polars at 1x", "met": False},
        {"goal": "seconds of duckdb at 10x <= 1.3 * 10 * 1x", "met": False},
        {"goal": "peak memory of duckdb at 10x < 4 GiB", "met": False},
    ]
    whole = report(measured, {1: inputs, 10: inputs}, LIMITS)
    assert "**3.0 s** (2 s of processor, 0.5 GiB)" in table(whole)
    assert "did not finish in 9 GiB" in table(whole)
    assert "**not met**: seconds of duckdb < seconds of polars at 1x" in pages.render_page("features", whole)


def test_pages__are_those_of_the_reports() -> None:
    reports = {path.stem: read_json(path) for path in sorted(pages.FOLDER.glob("*.json"))}
    assert (pages.FOLDER / "README.md").read_text() == pages.render_index(reports), (
        "stale: run `python -m benchmarks.pages`"
    )
    for name, whole in reports.items():
        assert (pages.FOLDER / f"{name}.md").read_text() == pages.render_page(name, whole), (
            "stale: run `python -m benchmarks.pages`"
        )
