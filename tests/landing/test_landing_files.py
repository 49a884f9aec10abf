"""Files that land: good ones, and every kind of bad one; what was accepted before must stay as it is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landed_files import WeekFile, files_of

from pipelines.actions.fetch_inputs import fetch_inputs
from pipelines.actions.land_batch import LandRequest, land_batch
from pipelines.actions.validate_batch import BatchRefusedError, ValidateResult, validate_batch
from pipelines.contracts import REVIEWS
from pipelines.contracts.declaration import ContractError
from pipelines.contracts.samples import sample_rows
from pipelines.landing import LandingError
from pipelines.settings import Settings
from pipelines.shop import OpenShop
from pipelines.tables import StorageError, read_json, read_table, write_table

Land = Callable[..., ValidateResult]
WRITTEN = {"occurred_at": datetime(2016, 12, 28, tzinfo=UTC)}


@pytest.fixture
def accepted(shop: OpenShop, land: Land, week_file: WeekFile) -> OpenShop:
    """A shop whose first week is accepted."""
    land(file=week_file(1), week=1)
    return shop


def test_week_file__is_accepted_and_moves_the_clock(accepted: OpenShop) -> None:
    (record,) = accepted.landing.accepted()
    assert record.counts == {"events": {"rows_in": 100, "accepted": 100, "quarantined": 0, "duplicates": 0}}
    assert accepted.clock.week == 1
    assert abs(accepted.clock.now() - accepted.calendar.end(1)) < timedelta(minutes=1)
    assert not list((accepted.landing.root / "raw").iterdir())


def test_bad_rows__go_to_quarantine_that_a_person_can_query(
    accepted: OpenShop, land: Land, week_file: WeekFile
) -> None:
    future = accepted.calendar.end(2) + timedelta(days=1)
    file = week_file(2, changes={4: {"quantity": -2.0}, 7: {"occurred_at": future, "ingested_at": future}})
    result = land(file=file, week=2)
    (record,) = result.batches
    assert record.counts["events"] == {"rows_in": 100, "accepted": 98, "quarantined": 2, "duplicates": 0}
    path = accepted.landing.quarantine_file("events", record.batch.batch_id)
    rows = duckdb.sql(f"select row, reason, event_id, quantity from '{path}' order by row").fetchall()
    assert rows[0] == (5, "quantity_in_range", "w2-4", "-2.0")
    assert rows[1][:3] == (8, "ingested_at_not_before_occurred_at; occurred_at_not_in_future", "w2-7")
    assert "98 of 100 accepted, 2 quarantined" in result.message


def test_data_docs__show_the_rule_that_was_broken(
    accepted: OpenShop, land: Land, week_file: WeekFile
) -> None:
    result = land(file=week_file(2, changes={4: {"quantity": -2.0}}), week=2)
    index = Path(result.data_docs)
    assert "events" in index.read_text()
    (page,) = index.parent.glob(f"validations/events/{result.batches[0].batch.batch_id}/*/*.html")
    assert "quantity" in page.read_text()
    assert "is above 0" in page.read_text() or "greater than" in page.read_text()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"quantity": -1.0}, r"quantity_in_range: row 1, column quantity, found '-1.0'"),
        ({"event_type": "theft"}, r"event_type_allowed: row 1, column event_type, found 'theft'"),
        ({"event_id": "same"}, None),
    ],
)
def test_bad_week__is_refused_whole(
    accepted: OpenShop, land: Land, week_file: WeekFile, changes: dict[str, object], expected: str | None
) -> None:
    before = files_of(accepted.landing.root / "accepted")
    bad = week_file(2, changes={row: {**changes, "value": float(row)} for row in range(3)})
    expected = expected or r"event_id_conflict: row 1, column event_id, found 'same'"
    with pytest.raises(
        BatchRefusedError, match=r"at most 2.0% of the rows quarantined, found 3.0% \(3 of 100"
    ) as error:
        land(file=bad, week=2)
    assert str(bad) in str(error.value)
    assert expected.split(": ")[1] in str(error.value)
    assert files_of(accepted.landing.root / "accepted") == before
    assert accepted.clock.week == 1
    (note,) = (accepted.landing.root / "refused").glob("*.json")
    assert read_json(note)["reasons"]
    assert read_table(note.with_suffix("") / "events.parquet").num_rows == 100
    assert not accepted.landing.pending(), "a refused batch does not come back by itself"


def test_corrected_week__is_accepted_after_a_refusal(
    accepted: OpenShop, land: Land, week_file: WeekFile
) -> None:
    with pytest.raises(BatchRefusedError):
        land(file=week_file(2, changes={row: {"quantity": 0.0} for row in range(5)}), week=2)
    land(file=week_file(2), week=2)
    assert accepted.clock.week == 2


def test_validation_tried_again_alone__after_a_refusal_fails_and_says_what_to_clear(
    accepted: OpenShop, shop_settings: Settings, week_file: WeekFile, tmp_path: Path
) -> None:
    run = tmp_path / "ingest-1"
    bad = LandRequest(file=week_file(2, changes={row: {"quantity": 0.0} for row in range(5)}), week=2)
    (batch_id,) = land_batch(shop_settings, bad, run).batch_ids
    with pytest.raises(BatchRefusedError, match="5 of 100"):
        validate_batch(shop_settings, run)

    note = accepted.landing.root / "refused" / f"{batch_id}.json"
    with pytest.raises(
        BatchRefusedError, match=f"{batch_id} was refused before.*{note} says.*clear land_batch"
    ):
        validate_batch(shop_settings, run)

    assert note.is_file()
    land_batch(shop_settings, LandRequest(file=week_file(2), week=2), run)
    assert validate_batch(shop_settings, run).week == 2
    assert validate_batch(shop_settings, run).status == "nothing_pending", "what it accepted is no fault"


def test_future_week__is_refused(accepted: OpenShop, land: Land, week_file: WeekFile) -> None:
    """Without a week of its own, a file may only tell of the past."""
    with pytest.raises(BatchRefusedError, match="occurred_at_not_in_future"):
        land(file=week_file(3))
    assert accepted.landing.last_week() == 1


def test_same_file_twice__is_a_no_op_that_says_so(
    accepted: OpenShop, shop_settings: Settings, week_file: WeekFile
) -> None:
    before = files_of(accepted.landing.root)
    result = land_batch(shop_settings, LandRequest(file=week_file(1), week=1))
    assert result.status == "already_accepted"
    assert "already accepted as file-" in result.message
    assert validate_batch(shop_settings).status == "nothing_pending"
    assert files_of(accepted.landing.root) == before


def test_accepted_week__is_never_rewritten(
    accepted: OpenShop, shop_settings: Settings, week_file: WeekFile
) -> None:
    with pytest.raises(
        LandingError, match=r"expected a week after 1.*found week 1; an accepted week is never rewritten"
    ):
        land_batch(shop_settings, LandRequest(file=week_file(1, rows=7), week=1))


def test_late_rows__are_known_from_the_next_week_on(
    accepted: OpenShop, land: Land, week_file: WeekFile, shop_settings: Settings, tmp_path: Path
) -> None:
    late = week_file(1, rows=3, changes={row: {"event_id": f"late-{row}"} for row in range(3)})
    (record,) = land(file=late).batches
    assert record.batch.week is None
    assert record.batch.batch_id not in fetch_inputs(shop_settings, tmp_path / "ws").batch_ids
    land(file=week_file(2), week=2)
    after = fetch_inputs(shop_settings, tmp_path / "ws")
    assert after.week == 2
    assert record.batch.batch_id in after.batch_ids
    assert len(list((tmp_path / "ws/data/inputs/events").iterdir())) == 3


def test_thin_week__is_refused(shop: OpenShop, land: Land, week_file: WeekFile) -> None:
    for week in range(1, 5):
        land(file=week_file(week), week=week)
    with pytest.raises(
        BatchRefusedError, match=r"week 5: expected between 50 and 200 events .*weeks 1 to 4\), found 49"
    ):
        land(file=week_file(5, rows=49), week=5)
    land(file=week_file(5, rows=51), week=5)
    assert shop.clock.week == 5


def test_unusable_file__lands_nothing(
    shop_settings: Settings, shop: OpenShop, tmp_path: Path, week_file: WeekFile
) -> None:
    good = read_table(week_file(1))
    cut, lacking, text, empty = (tmp_path / f"{name}.parquet" for name in ("cut", "lacking", "text", "empty"))
    cut.write_bytes(week_file(1).read_bytes()[:200])
    pq.write_table(good.drop_columns(["user_id"]), lacking)
    pq.write_table(good.set_column(5, "quantity", pa.array(["two"] * 100)), text)
    pq.write_table(good.slice(0, 0), empty)
    expected = {
        cut: (StorageError, "cut.parquet: expected a readable Parquet file"),
        lacking: (ContractError, "lacking.parquet: missing column user_id"),
        text: (ContractError, "text.parquet: column quantity: expected float64, found string"),
        empty: (ContractError, "empty.parquet: expected at least one row of events, found none"),
        tmp_path / "none.parquet": (LandingError, "none.parquet: expected a Parquet or CSV file, found none"),
    }
    for file, (kind, words) in expected.items():
        with pytest.raises(kind, match=words):
            land_batch(shop_settings, LandRequest(file=file, week=1))
    assert shop.landing.pending() == []
    assert shop.landing.accepted() == []


def test_items_file__replaces_items_by_key(shop: OpenShop, land: Land, items_file: Path) -> None:
    land(file=items_file, data_set="items")
    table = read_table(items_file)
    renamed = table.set_column(1, "title", pa.array(["New title", "Other"])).slice(0, 1)
    pq.write_table(renamed, items_file)
    land(file=items_file, data_set="items")
    titles = read_table(shop.landing.reference_file("items"))["title"].to_pylist()
    assert titles == ["New title", table["title"].to_pylist()[1]]


def test_cut_week__is_refused(accepted: OpenShop, land: Land, week_file: WeekFile) -> None:
    end = accepted.calendar.end(2)
    early = {"occurred_at": end - timedelta(hours=100)}
    with pytest.raises(
        BatchRefusedError, match=r"week 2: expected the newest event at most 96 hours .*, 100 hours before"
    ):
        land(file=week_file(2, changes=dict.fromkeys(range(100), early)), week=2)
    assert accepted.clock.week == 1


def test_week_of_unknown_items__is_refused_once_there_is_a_catalog(
    accepted: OpenShop, land: Land, week_file: WeekFile, items_file: Path
) -> None:
    strange = {row: {"item_id": f"strange-{row}"} for row in range(3)}
    land(file=items_file, data_set="items")
    with pytest.raises(
        BatchRefusedError,
        match=r"events: expected at most 2.0% about an item .* found 3.0% \(3, .*'strange-0'\)",
    ):
        land(file=week_file(2, changes=strange), week=2)
    land(file=week_file(2, changes={0: strange[0]}), week=2)
    assert accepted.clock.week == 2


def test_reviews_file__is_an_input_once_it_is_known(
    accepted: OpenShop, land: Land, week_file: WeekFile, shop_settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "reviews.parquet"
    pq.write_table(
        sample_rows(REVIEWS, 3, dict.fromkeys(range(3), WRITTEN) | {0: WRITTEN | {"rating": 7.0}}), path
    )
    with pytest.raises(BatchRefusedError, match=r"reviews: .* found 33.3% .* rating_in_range"):
        land(file=path, data_set="reviews")
    pq.write_table(sample_rows(REVIEWS, 3, dict.fromkeys(range(3), WRITTEN)), path)
    (record,) = land(file=path, data_set="reviews").batches
    inputs = tmp_path / "ws/data/inputs"
    fetch_inputs(shop_settings, tmp_path / "ws")
    assert [file.name for file in (inputs / "reviews").iterdir()] == ["none.parquet"], "known after week 1"
    land(file=week_file(2), week=2)
    fetch_inputs(shop_settings, tmp_path / "ws")
    assert [file.name for file in (inputs / "reviews").iterdir()] == [f"{record.batch.batch_id}.parquet"]
    assert [file.name for file in (inputs / "queries").iterdir()] == ["none.parquet"]


def test_store_of_a_newer_version__is_left_alone(
    accepted: OpenShop, shop_settings: Settings, week_file: WeekFile, tmp_path: Path
) -> None:
    (file,) = accepted.landing.event_files()
    newer = read_table(file).replace_schema_metadata({"shoploop.version": "99"})
    write_table(file, newer)
    before = files_of(accepted.landing.root / "accepted")
    land_batch(shop_settings, LandRequest(file=week_file(2), week=2))
    for refused in (
        lambda: validate_batch(shop_settings),
        lambda: fetch_inputs(shop_settings, tmp_path / "ws"),
    ):
        with pytest.raises(
            ContractError, match=r"events: expected rows of version 2 or older, found version 99"
        ):
            refused()
    assert files_of(accepted.landing.root / "accepted") == before
    assert not (tmp_path / "ws/data").exists()


def test_event_known_from_before_corrections__is_known_again(
    accepted: OpenShop, land: Land, week_file: WeekFile
) -> None:
    (file,) = accepted.landing.event_files()
    write_table(file, read_table(file).drop_columns(["corrects"]).replace_schema_metadata(None))
    late = week_file(1, rows=1, changes={0: {"event_id": "w1-99"}})
    (record,) = land(file=late).batches
    assert record.counts["events"]["duplicates"] == 1
