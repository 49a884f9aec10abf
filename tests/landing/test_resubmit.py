"""Quarantined rows that a person mends and lands again: each is taken in once, and none is lost."""

import csv
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from landed_files import WeekFile, files_of

from pipelines.actions.land_batch import LandRequest, land_batch
from pipelines.actions.resubmit_rows import ResubmitResult, resubmit_rows
from pipelines.actions.validate_batch import ValidateResult, validate_batch
from pipelines.contracts import CONTRACTS, EVENTS, ITEMS
from pipelines.contracts.samples import sample_rows
from pipelines.landing import Batch
from pipelines.mending import MendingError, write_mending
from pipelines.quarantine import Group, closed_rows, conservation_faults, groups, quarantine_table
from pipelines.settings import Settings
from pipelines.shop import OpenShop, open_shop
from pipelines.tables import StorageError, read_json, read_table, write_json, write_table

Land = Callable[..., ValidateResult]
Mend = Callable[..., Path]
BAD = {3: {"quantity": 0.0}, 5: {"user_id": None}}


@pytest.fixture(scope="module")
def landed_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home with a batch of 200 events, rows 4 and 6 of which are quarantined, and the batch's id."""
    home = tmp_path_factory.mktemp("landed_once")
    settings = Settings(home=home)
    shop = open_shop(settings)
    moment = shop.calendar.start(1) + timedelta(days=3)
    rows = {number: {"event_id": f"w1-{number}", "occurred_at": moment} for number in range(200)}
    for number, change in BAD.items():
        rows[number] |= change
    write_table(home / "week-1.parquet", sample_rows(EVENTS, 200, rows))
    (batch_id,) = land_batch(settings, LandRequest(file=home / "week-1.parquet", week=1)).batch_ids
    validate_batch(settings)
    return home, batch_id


@pytest.fixture
def week_1(shop_settings: Settings, landed_once: tuple[Path, str]) -> str:
    """Id of the batch of ``landed_once``, which this test's own shop has, too."""
    home, batch_id = landed_once
    shutil.copytree(home / "landing", shop_settings.landing)
    shutil.copy(home / "clock.json", shop_settings.clock_file)
    return batch_id


@pytest.fixture
def mend(shop: OpenShop, tmp_path: Path) -> Mend:
    """Writes a batch's open rows as `show --out` does, then changes cells by the row's number."""

    def run(
        batch_id: str, changes: dict[int, dict[str, str]], name: str = "events", file: str = "mended.csv"
    ) -> Path:
        path = tmp_path / file
        rows = quarantine_table(shop.landing, batch_id, name)
        write_mending(
            path,
            rows.filter(pa.array([state == "open" for state in rows["state"].to_pylist()])),
            CONTRACTS[name],
        )
        with path.open() as opened:
            rows_of_file = list(csv.DictReader(opened))
        with path.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, list(rows_of_file[0]))
            writer.writeheader()
            writer.writerows(
                row | changes[int(row["row"])] for row in rows_of_file if int(row["row"]) in changes
            )
        return path

    return run


def resubmit(
    settings: Settings, file: Path, data_set: str = "events"
) -> tuple[ResubmitResult, ValidateResult]:
    return resubmit_rows(settings, file, data_set), validate_batch(settings)


def test_mended_rows__are_taken_in_and_leave_the_quarantine(
    shop: OpenShop, shop_settings: Settings, week_1: str, mend: Mend
) -> None:
    before = shop.clock.now()
    landed, judged = resubmit(shop_settings, mend(week_1, {4: {"quantity": "2"}, 6: {"user_id": "007"}}))
    (record,) = judged.batches
    assert (landed.status, landed.still_bad, record.batch.kind, record.batch.week) == (
        "landed",
        (),
        "resubmitted",
        None,
    )
    assert record.counts == {"events": {"rows_in": 2, "accepted": 2, "quarantined": 0, "duplicates": 0}}
    rows = read_table(shop.landing.events_of(record.batch.batch_id)).to_pylist()
    assert [(row["event_id"], row["quantity"], row["user_id"]) for row in rows] == [
        ("w1-3", 2.0, "900"), ("w1-5", 1.0, "007")
    ]  # fmt: skip
    assert {row["occurred_at"] for row in rows} == {shop.calendar.start(1) + timedelta(days=3)}, (
        "as it was given"
    )
    assert all(before <= row["ingested_at"] <= shop.clock.now() for row in rows), "known only from now on"
    assert closed_rows(shop.landing) == dict.fromkeys(
        [("events", week_1, 4), ("events", week_1, 6)], record.batch.batch_id
    )
    assert [(group.open, group.resubmitted) for group in groups(shop.landing)] == [(0, 1), (0, 1)]
    assert shop.landing.quarantined("events", week_1).num_rows == 2, "what was once quarantined stays told"
    assert conservation_faults(shop.landing) == []


def test_row_that_is_still_bad__is_told_and_stays_as_it_was(
    shop: OpenShop, shop_settings: Settings, week_1: str, mend: Mend
) -> None:
    file = mend(week_1, {4: {"quantity": "-1"}, 6: {"user_id": "901"}})
    landed, judged = resubmit(shop_settings, file)
    assert landed.still_bad == (f"{file}, row 1 (row 4 of {week_1}): quantity_in_range (quantity: '-1.0')",)
    assert judged.batches[0].counts["events"]["rows_in"] == 1
    assert not shop.landing.quarantine_file("events", judged.batches[0].batch.batch_id).exists()
    assert groups(shop.landing) == [
        Group(week_1, "events", "quantity_in_range", 1, 1, 0), Group(week_1, "events", "user_id_present", 1, 0, 1)
    ]  # fmt: skip
    assert conservation_faults(shop.landing) == []


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("quantity", "2,5", "expected a number such as 2.50, found '2,5'"),
        ("quantity", "inf", "expected a number such as 2.50, found 'inf'"),
        ("value", "it's", "expected a number such as 2.50, found 'it's'"),
        (
            "occurred_at",
            "2016-12-29 05:00",
            "expected a moment with its time zone such as .*, found '2016-12-29 05:00'",
        ),
        ("occurred_at", "29.12.2016", "expected a moment with its time zone such as .*, found '29.12.2016'"),
    ],
)
def test_cell_of_another_type__holds_up_its_own_row_only(
    shop_settings: Settings, week_1: str, mend: Mend, column: str, cell: str, expected: str
) -> None:
    file = mend(week_1, {4: {"quantity": "1", column: cell}, 6: {"user_id": "901"}})
    landed = resubmit_rows(shop_settings, file)
    (said,) = landed.still_bad
    assert re.search(rf"row 1 \(row 4 of {week_1}\): unreadable: {column}: {expected}$", said)
    assert "landed 1 mended row of events" in landed.message


def test_moments_and_numbers__are_read_as_people_write_them(
    shop: OpenShop, shop_settings: Settings, week_1: str, mend: Mend
) -> None:
    changes = {4: {"quantity": " 2 ", "occurred_at": "2016-12-29T06:30:00.5+01:00"}}
    changes[6] = {"user_id": "901", "quantity": "1e1", "occurred_at": "2016-12-29 05:30Z", "store_id": ""}
    _, judged = resubmit(shop_settings, mend(week_1, changes))
    rows = read_table(shop.landing.events_of(judged.batches[0].batch.batch_id)).to_pylist()
    assert [(row["quantity"], row["store_id"]) for row in rows] == [(2.0, "330"), (10.0, None)]
    assert [row["occurred_at"].isoformat() for row in rows] == [
        "2016-12-29T05:30:00.500000+00:00", "2016-12-29T05:30:00+00:00"
    ]  # fmt: skip


def test_same_file_again__is_a_no_op_that_says_so(
    shop: OpenShop, shop_settings: Settings, week_1: str, mend: Mend
) -> None:
    file = mend(week_1, {4: {"quantity": "2"}})
    first, _ = resubmit(shop_settings, file)
    before = files_of(shop.landing.root)
    again, judged = resubmit(shop_settings, file)
    assert (again.status, again.batch_id, judged.status) == ("nothing_to_land", None, "nothing_pending")
    assert again.message == f"taken in before by {first.batch_id}: 1 row\nnothing to land"
    assert files_of(shop.landing.root) == before


def test_row_mended_otherwise_after_it_was_taken_in__is_passed_over(
    shop: OpenShop, shop_settings: Settings, week_1: str, mend: Mend
) -> None:
    both = mend(week_1, {4: {"quantity": "3"}, 6: {"user_id": "901"}}, file="both.csv")
    first, _ = resubmit(shop_settings, mend(week_1, {4: {"quantity": "2"}}))
    second, judged = resubmit(shop_settings, both)
    assert second.message.splitlines()[0] == f"taken in before by {first.batch_id}: 1 row"
    assert judged.batches[0].counts["events"]["rows_in"] == 1
    assert conservation_faults(shop.landing) == []


def test_row_that_waits_to_be_judged__is_not_landed_twice(
    shop: OpenShop, shop_settings: Settings, week_1: str, mend: Mend
) -> None:
    first = resubmit_rows(shop_settings, mend(week_1, {4: {"quantity": "2"}}))
    other = resubmit_rows(shop_settings, mend(week_1, {4: {"quantity": "3", "event_id": "new"}}))
    assert (other.status, other.batch_id) == ("waiting", first.batch_id)
    assert other.message == f"waiting already in {first.batch_id}: 1 row"
    assert [record.batch.batch_id for record in validate_batch(shop_settings).batches] == [first.batch_id]


def test_row_that_says_again_what_is_known__closes_the_quarantined_one(
    shop: OpenShop, shop_settings: Settings, land: Land, week_file: WeekFile, mend: Mend
) -> None:
    """Two rows contradicted each other; mended they are one event."""
    changes = {0: {"event_id": "same"}, 1: {"event_id": "same", "value": 9.0}}
    batch_id = land(file=week_file(1, rows=200, changes=changes), week=1).batches[0].batch.batch_id
    _, judged = resubmit(shop_settings, mend(batch_id, {1: {}, 2: {"value": "2.49"}}))
    assert judged.batches[0].counts["events"] == {
        "rows_in": 2,
        "accepted": 1,
        "quarantined": 0,
        "duplicates": 1,
    }
    assert [(group.open, group.resubmitted) for group in groups(shop.landing)] == [(0, 2)]
    assert conservation_faults(shop.landing) == []


def test_row_that_contradicts_an_accepted_one__stays(
    shop_settings: Settings, week_1: str, mend: Mend
) -> None:
    landed = resubmit_rows(shop_settings, mend(week_1, {4: {"quantity": "2", "event_id": "w1-0"}}))
    assert landed.still_bad[0].endswith("event_id_conflict (event_id: 'w1-0')")
    assert landed.status == "nothing_to_land"


def test_reference_rows__can_be_mended(
    shop: OpenShop, shop_settings: Settings, week_1: str, mend: Mend, tmp_path: Path
) -> None:
    write_table(tmp_path / "items.parquet", sample_rows(ITEMS, 100, {1: {"recommendable": None}}))
    shop.landing.land(
        Batch("file-i", "file", shop.clock.now().isoformat(), "a test"),
        {"items": sample_rows(ITEMS, 100, {1: {"recommendable": None}})},
    )
    validate_batch(shop_settings)
    file = mend("file-i", {2: {"recommendable": "True"}}, name="items")
    resubmit(shop_settings, file, "items")
    assert read_table(shop.landing.reference_file("items")).num_rows == 100
    assert conservation_faults(shop.landing) == []


def test_row_that_turns_bad_after_it_landed__stays_and_the_others_are_taken_in(
    shop: OpenShop, shop_settings: Settings, land: Land, week_1: str, mend: Mend, week_file: WeekFile
) -> None:
    """Between landing and judging another batch is accepted that says otherwise under the same id."""
    landed = resubmit_rows(shop_settings, mend(week_1, {4: {"quantity": "2"}, 6: {"user_id": "901"}}))
    early = Batch("file-early", "file", (shop.clock.now() - timedelta(hours=1)).isoformat(), "a test")
    other = read_table(week_file(1, rows=1, changes={0: {"event_id": "w1-3", "quantity": 7.0}}))
    shop.landing.land(early, {"events": other})
    records = {record.batch.batch_id: record for record in validate_batch(shop_settings).batches}
    assert list(records) == ["file-early", landed.batch_id]
    assert records[str(landed.batch_id)].counts["events"]["rows_in"] == 1
    assert list(closed_rows(shop.landing)) == [("events", week_1, 6)]
    assert conservation_faults(shop.landing) == []


MOMENTS = [
    "raw/{id}/events.parquet", "raw/{id}/claims/rows.parquet", "raw/{id}/batch.json", "closed/{id}.parquet",
    "accepted/events/{id}.parquet", "accepted/batches/{id}.json", "raw/{id}",
]  # fmt: skip


class KilledError(BaseException):
    """Stands for a process that ends between two steps."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_step__neither_loses_nor_doubles_a_row(
    shop: OpenShop,
    shop_settings: Settings,
    week_1: str,
    mend: Mend,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    file = mend(week_1, {4: {"quantity": "2"}, 6: {"user_id": ""}})
    with monkeypatch.context() as patched:
        _kill_at(moment, shop.landing.root, patched)
        with pytest.raises(KilledError):
            resubmit(shop_settings, file)
    assert conservation_faults(shop.landing) == []
    resubmit(shop_settings, file)
    resubmit(shop_settings, file)
    assert [(group.open, group.resubmitted) for group in groups(shop.landing)] == [(0, 1), (1, 0)]
    with duckdb.connect() as connection:
        files = [str(path) for path in shop.landing.event_files()]
        query = "select count(*), count(distinct event_id) from read_parquet($files)"
        assert connection.execute(query, {"files": files}).fetchone() == (199, 199)
    assert conservation_faults(shop.landing) == []


def _kill_at(moment: str, root: Path, patched: pytest.MonkeyPatch) -> None:
    """End when the file of that moment would be put into place, or the folder removed."""
    replace, remove = Path.replace, shutil.rmtree
    wanted = moment.replace("{id}", "*")

    def killing_replace(path: Path, target: Path) -> Path:
        if Path(target).is_relative_to(root) and Path(target).relative_to(root).match(wanted):
            raise KilledError
        return replace(path, target)

    def killing_remove(path: Path, **options: bool) -> None:
        if Path(path).relative_to(root).match(wanted):
            raise KilledError
        remove(path, **options)

    patched.setattr(Path, "replace", killing_replace)
    patched.setattr("pipelines.landing.shutil.rmtree", killing_remove)


def _edited(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda file, batch: file.write_text(""), "expected CSV in UTF-8 with commas and a header.* found: Empty CSV"),
        (lambda file, batch: file.write_text(file.read_text().splitlines()[0] + "\n"), "at least one mended row"),
        (lambda file, batch: file.write_bytes(file.read_bytes() + b'"a\xff","b"\n'), "expected CSV in UTF-8"),
        (lambda file, batch: file.write_text(file.read_text() + "one,two\n"), "Row #4: Expected 19 columns"),
        (lambda file, batch: _edited(file, ",", ";"), "expected commas between columns, found semicolons"),
        (lambda file, batch: _edited(file, "user_id", "customer"), "missing column user_id; unknown column customer"),
        (lambda file, batch: _edited(file, batch, "file-of-nobody"), "row 1, column batch_id: expected a batch with "
         "events in quarantine, found 'file-of-nobody'; `shoploop quarantine list` names them"),
        (lambda file, batch: _edited(file, f"{batch},6", ",6"), "row 2, column batch_id: .* found nothing"),
        (lambda file, batch: _edited(file, f"{batch},6", f"{batch},7"), "row 2: expected a row of file-.* found row 7"),
        (lambda file, batch: _edited(file, f"{batch},6", f"{batch},4"), "row 2: names row 4 of file-.* as row 1 does"),
        (lambda file, batch: _edited(file, f"{batch},6", f"{batch},x"), "row 2, column row: expected a row number"),
    ],
    ids=[
        "empty", "header_only", "not_utf8", "ragged", "semicolons", "renamed_column", "unknown_batch", "no_batch",
        "unknown_row", "named_twice", "no_number",
    ],
)  # fmt: skip
def test_unusable_file__is_refused_whole(
    shop: OpenShop,
    shop_settings: Settings,
    week_1: str,
    mend: Mend,
    edit: Callable[[Path, str], object],
    expected: str,
) -> None:
    """The first row is well mended: it must not land either."""
    file = mend(week_1, {4: {"quantity": "2"}, 6: {"user_id": "901"}})
    edit(file, week_1)
    before = files_of(shop.landing.root)
    with pytest.raises((MendingError, StorageError), match=expected) as error:
        resubmit_rows(shop_settings, file)
    assert str(error.value).startswith(str(file))
    assert files_of(shop.landing.root) == before


def test_file_of_another_data_set__is_refused(shop_settings: Settings, week_1: str, mend: Mend) -> None:
    file = mend(week_1, {4: {"quantity": "2"}})
    with pytest.raises(
        MendingError, match=r"missing column title.*unknown column event_id.*: say --data-set events;"
    ):
        resubmit_rows(shop_settings, file, "items")
    with pytest.raises(MendingError, match=r"expected one of the data sets events, .* found 'orders'"):
        resubmit_rows(shop_settings, file, "orders")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            lambda shop, batch, again: shop.landing.quarantine_file("events", batch).unlink(),
            "expected 2 quarantined rows",
        ),
        (
            lambda shop, batch, again: shop.landing.events_of(batch).unlink(),
            "expected 198 accepted rows.* found 0",
        ),
        (
            lambda shop, batch, again: _recount(shop, batch, duplicates=1),
            "events: 200 rows came in, .*'duplicates': 1",
        ),
        (
            lambda shop, batch, again: _close(shop, again, batch, [4, 6]),
            "1 mended rows came in for 2 quarantined",
        ),
        (
            lambda shop, batch, again: _close(shop, again, batch, [5]),
            "takes in row 5 of file-.*not in quarantine",
        ),
        (
            lambda shop, batch, again: _close(shop, again, batch, [4, 4]),
            "takes in row 4 of file-.* again, after",
        ),
    ],
    ids=[
        "quarantine_lost",
        "rows_lost",
        "miscounted",
        "closed_too_many",
        "closed_a_good_one",
        "closed_twice",
    ],
)
def test_conservation__every_lost_or_doubled_row_is_found(
    shop: OpenShop, shop_settings: Settings, week_1: str, mend: Mend, damage: Callable[[OpenShop, str, str], None],
    expected: str,
) -> None:  # fmt: skip
    again, _ = resubmit(shop_settings, mend(week_1, {4: {"quantity": "2"}}))
    assert conservation_faults(shop.landing) == []
    damage(shop, week_1, str(again.batch_id))
    assert any(re.search(expected, fault) for fault in conservation_faults(shop.landing))


def _recount(shop: OpenShop, batch_id: str, **counts: int) -> None:
    path = shop.landing.root / "accepted" / "batches" / f"{batch_id}.json"
    record = read_json(path)
    record["counts"]["events"] |= counts
    write_json(path, record)


def _close(shop: OpenShop, batch_id: str, source: str, rows: list[int]) -> None:
    claims = [{"data_set": "events", "batch_id": source, "row": row} for row in rows]
    write_table(shop.landing.root / "closed" / f"{batch_id}.parquet", pa.Table.from_pylist(claims))


quantities = st.sampled_from([1.0, 2.0, 0.0, -1.0])
steps = st.one_of(
    st.tuples(
        st.just("land"), st.lists(st.tuples(st.sampled_from("abcdef"), quantities), min_size=1, max_size=5)
    ),
    st.tuples(
        st.just("mend"),
        st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abcxyz"), quantities), max_size=4),
    ),
)


def test_any_course_of_landing_and_mending__accounts_for_every_row(
    shop: OpenShop, shop_settings: Settings, mend: Mend
) -> None:
    @hypothesis_settings(max_examples=10, deadline=None)
    @given(st.lists(steps, min_size=2, max_size=6))
    def holds(course: list[tuple[str, list[tuple[object, ...]]]]) -> None:
        shutil.rmtree(shop.landing.root, ignore_errors=True)
        for number, (step, rows) in enumerate(course):
            if step == "land":
                _land_some(shop, shop_settings, number, rows)
            else:
                _mend_some(shop, shop_settings, mend, rows)
            assert conservation_faults(shop.landing) == []
        ids = [row for path in shop.landing.event_files() for row in read_table(path)["event_id"].to_pylist()]
        assert len(ids) == len(set(ids))
        states = quarantine_table(shop.landing)["state"].to_pylist()
        assert states.count("resubmitted") == len(closed_rows(shop.landing))

    holds()


def _land_some(shop: OpenShop, settings: Settings, number: int, rows: list[tuple[object, ...]]) -> None:
    changes = {place: {"event_id": key, "quantity": quantity} for place, (key, quantity) in enumerate(rows)}
    batch = Batch(f"posted-{number}", "posted", shop.calendar.end(2).isoformat(), "a test")
    shop.landing.land(batch, {"events": sample_rows(EVENTS, len(rows), changes)})
    validate_batch(settings)


def _mend_some(shop: OpenShop, settings: Settings, mend: Mend, rows: list[tuple[object, ...]]) -> None:
    waiting = [row for row in quarantine_table(shop.landing).to_pylist() if row["state"] == "open"]
    if not waiting:
        return
    batch_id = waiting[0]["batch_id"]
    changes = {
        int(str(row)): {"event_id": str(key), "quantity": str(quantity)} for row, key, quantity in rows
    }
    if changes.keys() & {row["row"] for row in waiting if row["batch_id"] == batch_id}:
        resubmit(settings, mend(batch_id, changes))
