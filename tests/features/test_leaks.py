"""No feature sees the future: a search over futures, and the leaks that it has to find.

A planted leak is what a builder or a view may do wrongly. Each is searched for like the real views are, and
its honest twin, which differs by the leak alone, passes the same search.
"""

from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.evaluation.splits import Fold, known_events
from pipelines.features.views import View, read_view
from pipelines.validation import known_at
from tests.features.leak_search import PAST, PROMOTIONS, Build, Rows, differences, open_build, search
from tests.features.tiny_shop import EVENTS, ITEMS, VIEWS, WEEK, Row, ago, bought, build_shop, promoted

REAL = [read_view(name) for name in VIEWS]
BASE = [read_view(name) for name in ("basket_lines", "households")]

# How the tables that a view reads may be made wrongly.
KNOWN = "SELECT all_events.* FROM all_events CROSS JOIN moment WHERE"
IN_TIME = "epoch_us(ingested_at) <= at_us"
NOT_CORRECTED = "event_id NOT IN (SELECT corrects FROM all_events WHERE corrects IS NOT NULL"
TABLES = {
    "the moment's own events": f"{KNOWN} occurred_us <= at_us AND {IN_TIME}",
    "as of when it happened, not when it was known": f"{KNOWN} occurred_us < at_us",
    "a correction before it is known": f"{KNOWN} occurred_us < at_us AND {IN_TIME} AND {NOT_CORRECTED})",
}
PROMOTIONS_LEAK = "CREATE OR REPLACE TABLE known_promotions AS SELECT * FROM all_promotions"

# How a view may be written wrongly, if the events were in its reach; the twin reads known events.
WINDOW = """
SELECT user_id, MAX(baskets) AS baskets
FROM (
    SELECT user_id, occurred_us, COUNT(*) OVER (
        PARTITION BY user_id ORDER BY occurred_us RANGE BETWEEN 2419200000000 PRECEDING AND CURRENT ROW
    ) AS baskets
    FROM all_events CROSS JOIN moment WHERE epoch_us(ingested_at) <= at_us
) CROSS JOIN moment
WHERE occurred_us <= at_us AND user_id IN (SELECT user_id FROM households)
GROUP BY user_id
"""
LABEL = """
SELECT households.user_id, MAX(CASE WHEN all_events.week >= moment.week THEN 1 ELSE 0 END) AS comes_back
FROM households CROSS JOIN moment LEFT JOIN all_events ON households.user_id = all_events.user_id
GROUP BY households.user_id
"""
GLOBAL = """
SELECT households.user_id, households.spend / shop.spend AS share
FROM households CROSS JOIN (SELECT SUM(value) AS spend FROM all_events) AS shop
"""
PLANTED = {
    "a window that includes the current row": WINDOW,
    "the label": LABEL,
    "a statistic of all time": GLOBAL,
}


def planted(sql: str) -> list[View]:
    return [*BASE, View("planted", ("user_id",), sql)]


def in_files(folder: Path) -> Build:
    """The real build: files in, files out."""
    numbers = count()

    def build(events: list[Row], promotions: list[Row], items: list[Row]) -> Rows:
        return build_shop(folder / f"{next(numbers)}", events, promotions, items=items)

    return build


def test_search__finds_nothing_in_the_real_views(tmp_path: Path) -> None:
    search(in_files(tmp_path), examples=10)


def test_search__finds_nothing_behind_the_stages_before(tmp_path: Path) -> None:
    """As the pipeline has it: all that is known three weeks later is validated, then split, then built."""
    real, fold = in_files(tmp_path), Fold(WEEK, ago(0), ago(-1), history_from=1)

    def build(events: list[Row], promotions: list[Row], items: list[Row]) -> Rows:
        validated = known_at(pa.Table.from_pylist(events, EVENTS), ago(-3))
        return real(known_events(validated, fold).to_pylist(), promotions, items)

    search(build, examples=5)


@pytest.mark.parametrize("leak", TABLES)
def test_search__finds_events_that_are_shown_too_early(leak: str, tmp_path: Path) -> None:
    build = open_build(tmp_path, REAL, f"DROP VIEW known_events; CREATE TABLE known_events AS {TABLES[leak]}")
    with pytest.raises(AssertionError, match="the future changes"):
        search(build, examples=20, planted=True)


def test_search__finds_promotions_that_are_known_before_they_begin(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"the future changes .*promotion"):
        search(open_build(tmp_path, REAL, PROMOTIONS_LEAK), examples=20, planted=True)


@pytest.mark.parametrize("leak", PLANTED)
def test_search__finds_a_view_that_looks_past_the_moment(leak: str, tmp_path: Path) -> None:
    build = open_build(tmp_path, planted(PLANTED[leak]), "")
    with pytest.raises(AssertionError, match="the future changes planted"):
        search(build, examples=20, planted=True)


@pytest.mark.parametrize("leak", PLANTED)
def test_search__lets_the_honest_twin_pass(leak: str, tmp_path: Path) -> None:
    search(
        open_build(tmp_path, planted(PLANTED[leak].replace("all_events", "known_events")), ""),
        5,
        planted=True,
    )


def test_search__every_view_has_rows_and_would_notice(tmp_path: Path) -> None:
    leak = f"DROP VIEW known_events; CREATE TABLE known_events AS SELECT * FROM all_events; {PROMOTIONS_LEAK}"
    later = [
        bought(row["user_id"], f"{row['basket_id']}-later", item, -0.5, value=50.0)
        | {"event_id": f"{row['event_id']}-{item}-later"}
        for row in PAST[:30]
        for item in ("milk", "eggs", "bread")
    ]
    build = open_build(tmp_path, REAL, leak)
    before = build(PAST, PROMOTIONS, list(ITEMS))
    after = build([*PAST, *later], [*PROMOTIONS, promoted("bread", -1, -2)], list(ITEMS))
    assert {name for name, rows in before.items() if not rows} == set()
    assert {line.split(":")[0] for line in differences(before, after)} == set(VIEWS)
