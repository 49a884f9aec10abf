"""Rules about whole weeks and about the catalog: worked out by hand, then on every week of the default shop."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.contracts import EVENTS, ITEMS, QUERIES
from pipelines.contracts.catalog_rules import unjoined_rows, unknown_item_faults
from pipelines.contracts.samples import sample_rows
from pipelines.contracts.week_levels import (
    baskets_faults,
    busiest_faults,
    hidden_faults,
    price_level_faults,
)
from pipelines.contracts.week_rules import (
    chance_distance,
    distance,
    freshness_faults,
    hours_faults,
    mix_faults,
    night_faults,
    repeated_faults,
    repriced_faults,
    volume_faults,
)
from pipelines.dataset_pages import MEASURED, render_index
from pipelines.params import load_params
from pipelines.settings import CHECKOUT
from pipelines.sources.complete_journey import CompleteJourney
from pipelines.tables import write_table
from pipelines.volumes import week_counts
from pipelines.week_counting import LandedWeeks, count_weeks
from pipelines.week_judging import unlike_faults, week_faults
from pipelines.weeks import ShopCalendar

PARAMS = load_params(CHECKOUT / "params.yaml")
LIMITS, CALENDAR = PARAMS.validate_data, ShopCalendar.of(PARAMS.shop)
END = datetime(2017, 1, 30, 5, tzinfo=UTC)
STEADY = {week: {"fruit": 600, "bread": 400} for week in range(1, 5)}


def test_freshness__counts_hours_to_the_end_of_the_week() -> None:
    assert freshness_faults(END - timedelta(hours=96), 5, END, 96) == []
    (fault,) = freshness_faults(END - timedelta(hours=96, minutes=40), 5, END, 96)
    assert (
        "week 5: expected the newest event at most 96 hours before the end of the week (2017-01-30 05:00 UTC)"
        in fault
    )
    assert "found 2017-01-26 04:20 UTC, 97 hours before; the export was cut" in fault
    assert freshness_faults(None, 5, END, 96) == []


def test_distance__is_half_of_what_moved() -> None:
    assert distance({"fruit": 1, "bread": 1}, {"fruit": 2, "bread": 2}) == 0
    assert distance({"fruit": 1}, {"bread": 7}) == 1
    assert distance({"fruit": 6, "bread": 4}, {"fruit": 30, "bread": 70}) == pytest.approx(0.3)


def test_chance_distance__is_the_mean_distance_of_samples_from_one_spread() -> None:
    """Against NumPy's multinomial draws: 400 pairs of weeks of a shop with 30 categories."""
    random = np.random.default_rng(7)
    shares = random.dirichlet(np.ones(30))
    pairs = zip(random.multinomial(500, shares, 400), random.multinomial(2000, shares, 400), strict=True)
    mixes = [
        tuple({str(place): int(count) for place, count in enumerate(draw)} for draw in pair) for pair in pairs
    ]
    found = np.mean([distance(*pair) for pair in mixes])
    assert np.mean([chance_distance(*pair) for pair in mixes]) == pytest.approx(found, rel=0.05)


def test_mix__names_what_moved() -> None:
    moved = STEADY | {5: {"fruit": 300, "bread": 600, "shoes": 100}}
    (fault,) = mix_faults(moved, range(1, 6), 0.12)
    # Distance (0.3 + 0.2 + 0.1) / 2 = 0.3; chance about 0.02.
    assert (
        "week 5: expected the mix of item categories of weeks 1 to 4 (distance at most 0.12 beyond chance)"
        in fault
    )
    assert "found 0.28: fruit 60.0% to 30.0%, bread 40.0% to 60.0%, shoes 0.0% to 10.0%" in fault
    assert mix_faults(STEADY | {5: {"fruit": 650, "bread": 350}}, range(1, 6), 0.12) == []
    assert mix_faults(moved, range(5, 5), 0.12) == []


def test_mix__without_four_weeks_before_or_without_purchases_is_not_judged() -> None:
    thin = {week: STEADY[week] for week in (2, 3, 4)}
    assert mix_faults(thin | {5: {"shoes": 9}}, range(5, 6), 0.12) == []
    assert mix_faults(STEADY, range(5, 6), 0.12) == []


def test_mix__of_a_small_shop_may_differ_by_chance() -> None:
    random = np.random.default_rng(11)
    draws = random.multinomial(40, np.full(100, 0.01), 60)
    weeks = {week: {str(place): int(count) for place, count in enumerate(draw) if count}
             for week, draw in enumerate(draws)}  # fmt: skip
    assert distance(weeks[4], sum((Counter(weeks[week]) for week in range(4)), Counter())) > 0.3
    assert mix_faults(weeks, range(4, 60), LIMITS.category_mix_limit) == []


def test_unjoined_rows__do_not_count_rows_about_no_item() -> None:
    catalog = sample_rows(ITEMS)["item_id"].combine_chunks()
    events = sample_rows(EVENTS, 3, {0: {"item_id": None}, 1: {"item_id": "gone"}})
    assert unjoined_rows("events", events, catalog) == 1
    assert unjoined_rows("queries", sample_rows(QUERIES, 2, {0: {"clicked_item_id": "gone"}}), catalog) == 1
    assert unjoined_rows("users", pa.table({"user_id": ["1"]}), catalog) == 0


def test_unknown_items__are_named_above_the_limit_and_not_before_a_catalog() -> None:
    catalog = sample_rows(ITEMS)["item_id"].combine_chunks()
    tables = {"events": sample_rows(EVENTS, 50, {7: {"item_id": "gone"}})}
    assert unknown_item_faults(tables, catalog, 0.02) == []
    (fault,) = unknown_item_faults(tables, catalog, 0.019)
    assert (
        "events: expected at most 1.9% about an item that is not in items, found 2.0% (1, for example 'gone')"
        in fault
    )
    assert "land_batch --data-set items" in fault
    assert unknown_item_faults(tables, catalog.slice(0, 0), 0.0) == []


@pytest.fixture(scope="module")
def year() -> dict[str, pa.Table]:
    tables = dict(CompleteJourney(CALENDAR).read_weeks(1, 53))
    # What the sieve would quarantine.
    events = tables["events"]
    return tables | {
        "raw": events,
        "events": events.filter(pc.fill_null(pc.greater(events["quantity"], 0), True)),
    }


@pytest.fixture(scope="module")
def history(year: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weeks 40 to 44, as the landing store has them."""
    path = tmp_path_factory.mktemp("accepted") / "weeks-40-44.parquet"
    write_table(path, _weeks(year["events"], 40, 44))
    return path


def _weeks(events: pa.Table, first: int, last: int) -> pa.Table:
    moment = events["occurred_at"]
    return events.filter(
        pc.and_(pc.greater_equal(moment, CALENDAR.start(first)), pc.less(moment, CALENDAR.end(last)))
    )


def test_real_weeks__are_all_within_the_limits(year: dict[str, pa.Table]) -> None:
    landed = LandedWeeks(year["events"], range(1, 54), [], year["items"])
    assert week_faults(landed, CALENDAR, LIMITS) == []
    catalog = year["items"]["item_id"].combine_chunks()
    for week in range(1, 54):
        events = _weeks(year["events"], week, week)
        assert unknown_item_faults({"events": events}, catalog, LIMITS.unjoined_share_limit) == []
        newest = pc.max(events["occurred_at"]).as_py()
        assert freshness_faults(newest, week, CALENDAR.end(week), LIMITS.freshness_hours_limit) == []


def test_measured_limits__are_those_that_the_page_says(year: dict[str, pa.Table]) -> None:
    found = count_weeks(LandedWeeks(year["events"], range(1, 54), [], year["items"]), CALENDAR)
    counts, mixes = found.events, found.categories
    catalog = year["items"]["item_id"].combine_chunks()
    weeks = {week: _weeks(year["events"], week, week) for week in range(1, 54)}
    raw = week_counts(year["raw"], CALENDAR)
    volumes = [
        counts[week] / median(counts[earlier] for earlier in range(week - 4, week)) for week in range(5, 54)
    ]
    shares = {week: part / whole for week, (part, whole) in found.repriced.items()}
    per = {week: part / whole for week, (part, whole) in found.baskets.items()}
    measured = {
        "quarantine_share_limit": [1 - counts[week] / raw[week] for week in weeks],
        "unjoined_share_limit": [
            unjoined_rows("events", weeks[week], catalog) / counts[week] for week in weeks
        ],
        "week_volume_share_low": volumes,
        "week_volume_share_high": volumes,
        "freshness_hours_limit": [
            (CALENDAR.end(week) - pc.max(weeks[week]["occurred_at"]).as_py()) / timedelta(hours=1)
            for week in weeks
        ],
        "category_mix_limit": _beyond_chance(mixes),
        "hour_mix_limit": _beyond_chance(found.hours),
        "night_share_limit": [_at_night(found.hours[week]) for week in weeks],
        "repeated_share_limit": [part / whole for part, whole in found.repeated.values()],
        "repriced_share_low": [
            shares[week] / median(shares[earlier] for earlier in range(week - 8, week))
            for week in range(10, 54)
        ],
        "price_level_limit": [change for change, _ in found.price_levels.values()],
        "baskets_per_shopper_limit": [
            per[week] / median(per[earlier] for earlier in range(week - 4, week)) for week in range(5, 54)
        ],
        "busiest_shopper_limit": [part / whole for _, part, whole in found.busiest.values()],
        "hidden_share_limit": [part / whole for part, whole in found.hidden.values()],
    }
    digits = {
        "week_volume_share_low": 2,
        "week_volume_share_high": 2,
        "freshness_hours_limit": 1,
        "category_mix_limit": 3,
        "hour_mix_limit": 3,
        "repriced_share_low": 2,
        "price_level_limit": 2,
        "baskets_per_shopper_limit": 2,
    }
    rounded = {
        key: (round(min(values), digits.get(key, 4)), round(max(values), digits.get(key, 4)))
        for key, values in measured.items()
    }
    assert rounded == {key: (low, high) for key, (_, low, high) in MEASURED.items()}


def _beyond_chance(mixes: dict[int, dict[str, int]]) -> list[float]:
    before = {
        week: sum((Counter(mixes[earlier]) for earlier in range(week - 4, week)), Counter())
        for week in range(5, 54)
    }
    return [
        distance(mixes[week], usual) - chance_distance(mixes[week], usual) for week, usual in before.items()
    ]


def _at_night(hours: Mapping[str, int]) -> float:
    return sum(hours.get(str(hour), 0) for hour in range(2, 6)) / sum(hours.values())


def test_counts__of_history_and_batch_are_those_of_both_together(
    year: dict[str, pa.Table], history: Path
) -> None:
    week = _weeks(year["events"], 45, 45)
    found = count_weeks(LandedWeeks(week, range(45, 46), [history], year["items"]), CALENDAR)
    counts, mixes = found.events, found.categories
    assert counts == {number: _weeks(year["events"], number, number).num_rows for number in range(40, 46)}
    assert set(mixes) == set(range(40, 46))
    assert 0 < sum(mixes[45].values()) < counts[45], (
        "redemptions and unknown items are no purchase of a category"
    )


def _without_groceries(week: pa.Table, items: pa.Table) -> pa.Table:
    groceries = items.filter(pc.equal(items["department"], "GROCERY"))["item_id"].combine_chunks()
    return week.filter(pc.invert(pc.fill_null(pc.is_in(week["item_id"], groceries), False)))


def _with_shifted_ids(week: pa.Table, items: pa.Table) -> pa.Table:
    names = sorted(items["item_id"].to_pylist())
    following = dict(pairwise(names))
    shifted = [following.get(name, name) for name in week["item_id"].to_pylist()]
    return week.set_column(week.column_names.index("item_id"), "item_id", pa.array(shifted, pa.string()))


def _cut_on_wednesday(week: pa.Table, _: pa.Table) -> pa.Table:
    return week.filter(pc.less(week["occurred_at"], CALENDAR.end(45) - timedelta(hours=97)))


def _an_hour_early(week: pa.Table, _: pa.Table) -> pa.Table:
    earlier = pc.subtract(week["occurred_at"], pa.scalar(timedelta(hours=1)))
    moved = week.set_column(week.column_names.index("occurred_at"), "occurred_at", earlier)
    return _weeks(moved, 45, 45)


def _told_twice_in_part(week: pa.Table, _: pa.Table) -> pa.Table:
    """One purchase of 19 once more, under another id: 2 of 20."""
    purchases = week.filter(pc.equal(week["event_type"], "purchase"))
    again = purchases.take(pa.array(range(0, purchases.num_rows, 19)))
    ids = pc.binary_join_element_wise("again", again["event_id"], "-")
    return pa.concat_tables([week, again.set_column(week.column_names.index("event_id"), "event_id", ids)])


def _of_a_third_of_the_shoppers(week: pa.Table, _: pa.Table) -> pa.Table:
    kept = [user for user in sorted(pc.unique(week["user_id"]).to_pylist()) if int(user) % 3 == 0]
    return week.filter(pc.is_in(week["user_id"], pa.array(kept)))


def _at_the_prices_of_the_week_before(week: pa.Table, _: pa.Table) -> pa.Table:
    """Every line at the item's usual price of week 44, where it was sold then."""
    frame = week.to_pandas()
    before = pd.DataFrame(
        _weeks(dict(CompleteJourney(CALENDAR).read_weeks(44, 44))["events"], 44, 44).to_pandas()
    )
    before = before[(before["event_type"] == "purchase") & (before["quantity"] > 0)]
    price = (before["value"] / before["quantity"]).groupby(before["item_id"]).median()
    stale = frame["item_id"].map(price) * frame["quantity"]
    frame["value"] = stale.where(stale.notna() & (frame["event_type"] == "purchase"), frame["value"])
    return pa.Table.from_pandas(frame, week.schema, preserve_index=False)


def _in_pence(week: pa.Table, _: pa.Table) -> pa.Table:
    return week.set_column(week.column_names.index("value"), "value", pc.multiply(week["value"], 100.0))


def _with_each_two_shoppers_merged(week: pa.Table, _: pa.Table) -> pa.Table:
    users = sorted(pc.unique(week["user_id"]).to_pylist())
    first = {user: users[place - place % 2] for place, user in enumerate(users)}
    merged = pa.array([first[user] for user in week["user_id"].to_pylist()], pa.string())
    return week.set_column(week.column_names.index("user_id"), "user_id", merged)


def _with_a_robot(week: pa.Table, _: pa.Table) -> pa.Table:
    """One shopper buys every tenth line again, at another moment."""
    purchases = week.filter(pc.equal(week["event_type"], "purchase"))
    again = purchases.take(pa.array(range(0, purchases.num_rows, 10)))
    told = {
        "event_id": pc.binary_join_element_wise("robot", again["event_id"], "-"),
        "user_id": pa.array(["1"] * len(again), pa.string()),
    }
    for name, values in told.items():
        again = again.set_column(again.column_names.index(name), name, values)
    return pa.concat_tables([week, again])


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (_in_pence, ["found 100.00 times at the median"]),
        (_with_each_two_shoppers_merged, ["baskets of a shopper"]),
        (_with_a_robot, ["of user '1'; look for a robot"]),
        (_without_groceries, ["expected between", "expected the mix of item categories"]),
        (_with_shifted_ids, ["expected the mix of item categories"]),
        (
            _cut_on_wednesday,
            ["expected between", "expected the newest event", "baskets of a shopper"],
        ),
        (lambda week, _: pa.concat_tables([week] * 3), ["expected between", "to equal another one"]),
        (_an_hour_early, ["nearest when moved by +1 hours"]),
        (_told_twice_in_part, ["found 10.0%"]),
        (_of_a_third_of_the_shoppers, ["events (0.5", "shoppers who bought something (0.5"]),
        (_at_the_prices_of_the_week_before, ["items to have another price"]),
    ],
)
def test_planted_fault__is_found(
    year: dict[str, pa.Table], history: Path, plant: object, expected: list[str]
) -> None:
    spoilt = plant(_weeks(year["events"], 45, 45), year["items"])  # type: ignore[operator]
    faults = week_faults(LandedWeeks(spoilt, range(45, 46), [history], year["items"]), CALENDAR, LIMITS)
    assert [any(words in fault for fault in faults) for words in expected] == [True] * len(expected), faults
    assert len(faults) == len(expected), faults


def test_planted_mixes__are_as_far_as_the_page_says(year: dict[str, pa.Table], history: Path) -> None:
    week = _weeks(year["events"], 45, 45)
    found = []
    for spoilt in (_without_groceries(week, year["items"]), _with_shifted_ids(week, year["items"])):
        landed = LandedWeeks(spoilt, range(45, 46), [history], year["items"])
        mixes = count_weeks(landed, CALENDAR).categories
        usual = sum((Counter(mixes[earlier]) for earlier in range(41, 45)), Counter())
        found.append(round(distance(mixes[45], usual) - chance_distance(mixes[45], usual), 2))
    early = _an_hour_early(week, year["items"])
    hours = count_weeks(LandedWeeks(early, range(45, 46), [history], year["items"]), CALENDAR).hours
    usual = sum((Counter(hours[earlier]) for earlier in range(41, 45)), Counter())
    found.append(round(distance(hours[45], usual) - chance_distance(hours[45], usual), 2))
    assert found == [0.59, 0.38, 0.11]
    assert "0.59 beyond chance" in render_index(LIMITS)
    assert "to the next one 0.38" in render_index(LIMITS)


def test_hidden_catalog__is_found(year: dict[str, pa.Table], history: Path) -> None:
    items = year["items"]
    shown = pa.array([place % 2 == 0 for place in range(items.num_rows)])
    half = items.set_column(items.column_names.index("recommendable"), "recommendable", shown)
    landed = LandedWeeks(_weeks(year["events"], 45, 45), range(45, 46), [history], half)
    (fault,) = week_faults(landed, CALENDAR, LIMITS)
    assert "expected at most 20% of week 45's purchases to be of items that are not recommendable" in fault


def test_levels__by_hand() -> None:
    assert price_level_faults({5: (1.5, 100), 6: (1 / 1.5, 100), 7: (9.0, 99)}, range(1, 8), 1.5) == []
    (fault,) = price_level_faults({5: (0.01, 100)}, range(5, 6), 1.5)
    assert "between 1/1.5 and 1.5 times what they cost" in fault
    assert "found 0.01 times at the median of 100 items" in fault
    steady = dict.fromkeys(range(1, 5), (300, 200))
    assert baskets_faults(steady | {5: (375, 200)}, range(5, 6), 1.25) == []
    assert baskets_faults(steady | {5: (99, 99)}, range(5, 6), 1.25) == [], "too few shoppers to say"
    (fault,) = baskets_faults(steady | {5: (376, 200)}, range(1, 6), 1.25)
    assert "week 5: expected 1.20 to 1.88 baskets of a shopper" in fault
    assert "found 1.88" in fault


def test_busiest_shopper__of_a_small_shop_may_be_as_busy_as_twice_the_usual() -> None:
    small = dict.fromkeys(range(1, 5), ("ann", 3_000, 10_000))
    # Twice the usual 30 %, and three standard deviations: 3 (0.6 * 0.4 * 10,000)^0.5 = 147.
    assert busiest_faults(small | {5: ("ann", 6_146, 10_000)}, range(1, 6), 0.05) == []
    (fault,) = busiest_faults(small | {5: ("bob", 6_147, 10_000)}, range(1, 6), 0.05)
    assert (
        "no shopper with more than 60.0% of the purchases, found 61.5% (6,147 of 10,000) of user 'bob'"
        in fault
    )
    assert busiest_faults({5: ("bob", 6_147, 10_000)}, range(1, 6), 0.05) == [], "nothing to compare with"
    tiny = dict.fromkeys(range(1, 5), ("ann", 1, 40))
    assert busiest_faults(tiny | {5: ("bob", 1, 10)}, range(1, 6), 0.05) == [], "one of ten is nothing"
    assert hidden_faults({5: (20, 100)}, range(1, 6), 0.2) == []


def test_volume__is_compared_with_the_median_of_four_weeks() -> None:
    counts = {1: 100, 2: 100, 3: 100, 4: 1000, 5: 201, 6: 100}
    (fault,) = volume_faults(counts, range(1, 6), 0.5, 2.0)
    assert "week 5: expected between 50 and 200 events" in fault


def test_hours__names_the_move_that_brings_them_back() -> None:
    day = {"9": 100, "12": 400, "17": 500}
    weeks = dict.fromkeys(range(1, 5), day)
    (fault,) = hours_faults(weeks | {5: {"4": 100, "7": 400, "12": 500}}, range(1, 6), 0.11)
    # Apart but for 400 of 1,000 at noon, where both have some: (0.1 + 0.5 + 0.1 + 0.4 + 0.1) / 2 = 0.6; chance is 0.02.
    assert "week 5: expected baskets at the hours of the day of weeks 1 to 4" in fault
    assert "found 0.58, nearest when moved by +5 hours" in fault
    assert hours_faults(weeks | {5: {"9": 110, "12": 390, "17": 500}}, range(1, 6), 0.11) == []
    assert hours_faults(weeks, range(1, 4), 0.11) == []


def test_night__is_told_from_two_to_six_without_weeks_before() -> None:
    week = {3: {"1": 90, "2": 5, "5": 5, "6": 90}}
    # 10 of 190 baskets are 5.26 %: one and six o'clock are no night.
    assert night_faults(week, range(3, 5), 0.0527) == []
    (fault,) = night_faults(week, range(3, 5), 0.0526)
    assert "week 3: expected at most 5.3% of the baskets between 2 and 6 o'clock" in fault
    assert "look for local times that were taken for UTC" in fault


def test_whole_history_five_hours_early__is_found_by_its_nights_alone(year: dict[str, pa.Table]) -> None:
    earlier = pc.subtract(year["events"]["occurred_at"], pa.scalar(timedelta(hours=5)))
    spoilt = year["events"].set_column(
        year["events"].column_names.index("occurred_at"), "occurred_at", earlier
    )
    landed = LandedWeeks(spoilt, range(6, 54), [], year["items"])
    faults = unlike_faults(landed, CALENDAR, LIMITS)
    assert len(faults) == 48
    assert all("o'clock of the shop's day" in fault for fault in faults)
    nights = count_weeks(landed, CALENDAR).hours
    least = min(_at_night(nights[week]) for week in range(6, 54))
    assert f"at least {least:.1%} of its baskets are bought at night" in render_index(LIMITS)


def test_prices_of_four_weeks_at_the_first_one__are_found_though_three_weeks_before_stood_still(
    year: dict[str, pa.Table],
) -> None:
    frame = year["events"].to_pandas()
    price = (frame["value"] / frame["quantity"]).groupby(frame["item_id"]).transform("first")
    rows = (frame["occurred_at"] >= CALENDAR.start(50)) & (frame["event_type"] == "purchase")
    frame.loc[rows, "value"] = (price * frame["quantity"])[rows].round(2)
    spoilt = pa.Table.from_pandas(frame, year["events"].schema, preserve_index=False)
    (fault,) = unlike_faults(LandedWeeks(spoilt, range(53, 54), [], year["items"]), CALENDAR, LIMITS)
    assert "times the median of weeks 45 to 52" in fault


def test_repeated__is_compared_with_the_usual_share() -> None:
    usual = {1: (10, 100), 2: (20, 200), 3: (9, 100), 4: (11, 100)}
    (fault,) = repeated_faults(usual | {5: (13, 100)}, range(1, 6), 0.02)
    assert "week 5: expected at most 12.0% of the purchases to equal another one" in fault
    assert "(2.0% above the median of weeks 1 to 4), found 13.0% (13 of 100)" in fault
    assert repeated_faults(usual | {5: (12, 100)}, range(1, 6), 0.02) == []
    assert repeated_faults({5: (100, 100)}, range(1, 6), 0.02) == [], "nothing to compare with"


def test_repriced__is_compared_with_the_usual_share_and_with_chance() -> None:
    usual = {1: (300, 1000), 2: (280, 1000), 3: (320, 1000), 4: (310, 1000)}
    (fault,) = repriced_faults(usual | {5: (40, 1000)}, range(1, 6), 0.3)
    # The median is 30.5 %: 0.3 times that of 1,000 items are 91.5; three standard deviations are 43.7.
    assert "week 5: expected at least 9.2% of the items to have another price" in fault
    assert "found 4.0% (40 of 1,000)" in fault
    assert repriced_faults(usual | {5: (48, 1000)}, range(1, 6), 0.3) == []
    assert repriced_faults(usual | {5: (0, 15)}, range(1, 6), 0.3) == [], "none of 15 is chance"
    assert repriced_faults(dict.fromkeys(range(1, 6), (0, 1000)), range(1, 6), 0.3) == [], (
        "a shop of fixed prices"
    )
    still = {week: (300, 1000) if week < 6 else (10, 1000) for week in range(1, 10)}
    assert len(repriced_faults(still, range(9, 10), 0.3)) == 1, (
        "still since week 6, which is not the usual yet"
    )
