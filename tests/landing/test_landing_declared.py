"""A shop's own files land: week by week, late, corrected, again; nothing is lost and nothing comes twice."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from declared_shop import DeclaredShop, four_weeks, order
from landed_files import files_of

from pipelines.actions.land_batch import LandRequest, LandResult, land_batch
from pipelines.actions.validate_batch import BatchRefusedError, ValidateResult, validate_batch
from pipelines.contracts.corrections import without_corrected
from pipelines.landing import LandingError
from pipelines.params import ParamsError
from pipelines.sources.declaration import SourceError
from pipelines.tables import read_table
from pipelines.validation import known_at


@pytest.fixture
def shop(tmp_path: Path) -> DeclaredShop:
    return DeclaredShop(tmp_path)


def land(shop: DeclaredShop, **request: object) -> tuple[LandResult, ValidateResult]:
    return land_batch(shop.settings, LandRequest(**request)), validate_batch(shop.settings)  # type: ignore[arg-type]


def accepted(shop: DeclaredShop) -> pa.Table:
    return pa.concat_tables([read_table(path) for path in shop.open.landing.event_files()])


def counts(judged: ValidateResult, data_set: str = "events") -> dict[str, dict[str, int]]:
    return {
        record.batch.batch_id: dict(record.counts[data_set])
        for record in judged.batches
        if data_set in record.counts
    }


def test_history__lands_every_week_that_is_over(shop: DeclaredShop) -> None:
    shop.orders("orders1.csv", [*four_weeks(), order(9001, 29)])

    landed, judged = land(shop)

    assert landed.batch_ids == ("weeks-01-04",)
    assert counts(judged) == {
        "weeks-01-04": {"rows_in": 140, "accepted": 140, "quarantined": 0, "duplicates": 0}
    }
    items = counts(judged, "items")["weeks-01-04"]
    assert (items["rows_in"], items["accepted"], items["duplicates"]) == (141, 5, 136)
    assert shop.open.clock.week == 4
    first = accepted(shop).sort_by("occurred_at").to_pylist()[0]
    assert first["occurred_at"].isoformat() == "2024-01-01T11:00:00+00:00", "noon in Berlin"
    assert first["ingested_at"].isoformat() == "2024-01-07T23:00:00+00:00", "known at the end of its week"


def test_history__in_ranges_that_fit_into_memory(tmp_path: Path) -> None:
    shop = DeclaredShop(tmp_path, rows_per_batch=1000)
    shop.orders("orders1.csv", [*four_weeks(per_day=70), order(9001, 29)])
    landed, judged = land(shop)
    assert landed.batch_ids == ("weeks-01-02", "weeks-03-04")
    assert [record.counts["events"]["accepted"] for record in judged.batches] == [980, 980]


def test_landing_again__adds_nothing(shop: DeclaredShop) -> None:
    shop.orders("orders1.csv", [*four_weeks(), order(9001, 29)])
    land(shop)
    before = files_of(shop.settings.landing / "accepted")
    landed, _ = land(shop)
    assert landed.status == "nothing_new"
    assert files_of(shop.settings.landing / "accepted") == before


def test_next_file__brings_its_week_and_what_came_late(shop: DeclaredShop) -> None:
    shop.orders("orders1.csv", [*four_weeks(), order(9001, 29)])
    land(shop)
    days = [(29, 1), (30, 1), (31, 1), (1, 2), (2, 2), (3, 2), (4, 2)]
    fifth = [order(20_000 + day * 100 + number, day, month) for day, month in days for number in range(5)]
    shop.orders("orders2.csv", [order(7777, 3), *fifth, order(9999, 5, month=2)])

    landed, judged = land(shop)

    assert landed.batch_ids == ("late-3-4", "week-05")
    assert counts(judged)["late-3-4"]["accepted"] == 1
    assert counts(judged)["week-05"] == {"rows_in": 36, "accepted": 36, "quarantined": 0, "duplicates": 0}
    late = [row for row in accepted(shop).to_pylist() if row["event_id"] == "7777"]
    assert late[0]["ingested_at"] >= shop.open.calendar.end(4), "known from now on, not from its own week on"
    assert land(shop)[0].status == "nothing_new"


def test_changed_row__corrects_the_accepted_one_from_now_on(shop: DeclaredShop) -> None:
    lines = [*four_weeks(), order(9001, 29)]
    shop.orders("orders1.csv", lines)
    land(shop)
    then = shop.open.clock.now()
    shop.orders("orders1.csv", [order(100, 1, qty="3"), *lines[1:]])

    _, judged = land(shop)

    (told,) = counts(judged).values()
    assert told == {"rows_in": 140, "accepted": 1, "quarantined": 0, "duplicates": 139}
    everything, now = accepted(shop), shop.open.clock.now()
    quantities = {
        when: [
            row["quantity"]
            for row in without_corrected(known_at(everything, moment)).to_pylist()
            if "100" in (row["event_id"], row["corrects"])
        ]
        for when, moment in {"then": then, "now": now}.items()
    }
    assert quantities == {"then": [1.0], "now": [3.0]}

    shop.orders("orders1.csv", [order(100, 1, qty="3"), *lines[1:], order(9002, 29)])
    _, again = land(shop)
    (told,) = counts(again).values()
    assert (told["accepted"], told["duplicates"]) == (0, 140), "the same correction is not made twice"


def test_backfill__accepts_what_is_new_in_past_weeks_only(shop: DeclaredShop) -> None:
    shop.orders("orders1.csv", [*four_weeks(), order(9001, 29)])
    land(shop)
    shop.orders("orders1.csv", [order(5555, 9), order(5556, 25), *four_weeks(), order(9001, 29)])

    tried = land_batch(shop.settings, LandRequest(backfill=(2, 3)))
    landed, judged = land(shop, backfill=(2, 3))

    assert tried.batch_ids == landed.batch_ids, "a task that is tried again lands no second batch"
    assert [batch_id[:14] for batch_id in landed.batch_ids] == ["backfill-02-03"]
    (told,) = counts(judged).values()
    assert told == {"rows_in": 71, "accepted": 1, "quarantined": 0, "duplicates": 70}
    assert not (shop.settings.staged / "little_shop" / "again").exists()
    with pytest.raises(LandingError, match="expected accepted weeks, 1 to 4, found 3 to 5"):
        land_batch(shop.settings, LandRequest(backfill=(3, 5)))


def test_messy_rows__are_quarantined_with_their_place_and_what_was_declared_is_no_fault(
    shop: DeclaredShop,
) -> None:
    lines = [*four_weeks(), order(9001, 29)]
    lines[3] = order(103, 1, qty="two")
    lines[7:17] = [order(800 + number, 2, status="cancelled") for number in range(10)]
    lines[20] = order(900, 5, ordered_on="31.02.2024 12:00")
    shop.orders("orders1.csv", lines)

    _, judged = land(shop)

    (told,) = counts(judged).values()
    assert (told["rows_in"], told["quarantined"]) == (140, 12)
    quarantined = shop.open.landing.quarantined("events", "weeks-01-04").to_pylist()
    reasons = Counter(row["reason"] for row in quarantined)
    assert reasons["declared: cancelled_order"] == 10
    origins = {row["origin"]: row["reason"] for row in quarantined}
    assert origins["orders1.csv, row 4"].startswith("unreadable: quantity: expected")
    assert origins["orders1.csv, row 21"].startswith("unreadable: occurred_at: expected")


def test_too_many_unreadable_rows__refuse_the_history_and_the_mended_file_lands(shop: DeclaredShop) -> None:
    lines = [*four_weeks(), order(9001, 29)]
    shop.orders("orders1.csv", [line.replace(";1;", ";one;") for line in lines])
    land_batch(shop.settings, LandRequest())
    with pytest.raises(BatchRefusedError, match=r"orders1\.csv, row 1") as refused:
        validate_batch(shop.settings)
    assert "quantity" in str(refused.value)
    assert shop.open.landing.last_week() == 0

    shop.orders("orders1.csv", lines)
    _, judged = land(shop)

    assert counts(judged)["weeks-01-04"]["accepted"] == 140


def test_file_that_cannot_be_read__leaves_what_was_staged_and_accepted(shop: DeclaredShop) -> None:
    shop.orders("orders1.csv", [*four_weeks(), order(9001, 29)])
    land(shop)
    before = files_of(shop.settings.home)
    (shop.exports / "orders2.csv").write_bytes(b"")
    with pytest.raises(SourceError, match=r"orders2\.csv"):
        land_batch(shop.settings, LandRequest())
    assert files_of(shop.settings.home).keys() >= before.keys()
    assert shop.open.landing.pending() == []


def test_two_shops__do_not_share_a_home(shop: DeclaredShop) -> None:
    shop.orders("orders1.csv", [*four_weeks(), order(9001, 29)])
    land(shop)
    sources = shop.settings.checkout / "sources"
    text = (sources / "little_shop.yaml").read_text()
    (sources / "other_shop.yaml").write_text(text.replace("name: little_shop", "name: other_shop"))
    params = shop.settings.checkout / "params.yaml"
    params.write_text(params.read_text().replace("source: little_shop", "source: other_shop"))
    with pytest.raises(LandingError, match=r"holds weeks of little_shop.*SHOPLOOP_HOME"):
        land_batch(shop.settings, LandRequest())


def test_source__that_is_not_declared_names_those_that_are(shop: DeclaredShop) -> None:
    params = shop.settings.checkout / "params.yaml"
    params.write_text(params.read_text().replace("source: little_shop", "source: big_shop"))
    with pytest.raises(ParamsError, match="expected one of complete_journey, little_shop, found 'big_shop'"):
        land_batch(shop.settings, LandRequest())


def test_source__without_a_complete_week_says_so(shop: DeclaredShop) -> None:
    shop.orders("orders1.csv", [order(1, 2)])
    with pytest.raises(LandingError, match="little_shop has no complete week yet"):
        land_batch(shop.settings, LandRequest())
