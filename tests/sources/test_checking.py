"""`shoploop source check`, `use` and `list` on a messy export, the real commands in this process."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from messy_shop import write_shop
from typer.testing import CliRunner, Result

from pipelines.actions.land_batch import LandRequest, land_batch
from pipelines.actions.validate_batch import validate_batch
from pipelines.cli import app
from pipelines.params import load_params
from pipelines.settings import settings
from pipelines.sources import checking
from pipelines.sources.checking import check_source
from pipelines.sources.declaration import load_source
from pipelines.sources.findings import SourceFinding
from pipelines.sources.refusals import week_refusals
from pipelines.sources.shop_proposal import propose_shop

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout with the messy shop's source."""
    monkeypatch.setenv("SHOPLOOP_CHECKOUT", str(tmp_path))
    monkeypatch.setenv("SHOPLOOP_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield write_shop(tmp_path)
    settings.cache_clear()


def edit(checkout: Path, found: str, correct: str) -> None:
    path = checkout / "sources" / "corner.yaml"
    assert found in path.read_text()
    path.write_text(path.read_text().replace(found, correct))


def check(checkout: Path, rows: int | None = None) -> SourceFinding:
    limits = load_params(checkout / "params.yaml").validate_data
    return check_source(load_source(checkout / "sources" / "corner.yaml"), checkout, limits, NOW, print, rows)


def shoploop(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["source", *arguments])


def test_check_source__accounts_for_every_row(checkout: Path) -> None:
    events, items = check(checkout).data_sets
    assert (events.counts.rows, items.counts.rows) == (110, 10)
    # 99 clean lines (the last is in conflict), the guest, the return, Müller's and the unknown item's.
    assert (events.counts.accepted, events.counts.duplicates) == (103, 0)
    assert (events.counts.set_aside, events.counts.quarantined) == (1, 6)
    assert [(reason.reason, reason.rows, reason.first) for reason in events.quarantined] == [
        ("event_id_conflict", 3, "orders-2.csv, row 40"),
        ("quantity_in_range", 1, "orders-2.csv, row 50"),
        ("unreadable: occurred_at", 1, "orders-2.csv, row 48"),
        ("unreadable: value", 1, "orders-2.csv, row 47"),
    ]
    assert events.quarantined[3].example == "expected a number with decimal \",\", found 'gratis'"
    assert [(reason.reason, reason.first) for reason in events.set_aside] == [
        ("declared: cancelled_order", "orders-2.csv, row 43")
    ]


def test_check_source__counts_the_same_however_the_rows_are_cut(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = check(checkout).data_sets[0]
    monkeypatch.setattr(checking, "CHUNK_ROWS", 41)  # parts the conflicting lines from one another
    parts = check(checkout).data_sets[0]
    assert parts.counts == whole.counts
    assert [(reason.reason, reason.rows) for reason in parts.quarantined] == [
        (reason.reason, reason.rows) for reason in whole.quarantined
    ]


def test_check_source__counts_declared_repeats_as_duplicates(checkout: Path) -> None:
    edit(checkout, "returns: become", "repeated_rows: count_as_duplicates\n      returns: become")
    events = check(checkout).data_sets[0]
    assert (events.counts.accepted, events.counts.duplicates, events.counts.quarantined) == (104, 2, 3)


def test_check_source__counts_rows_of_another_encoding(checkout: Path) -> None:
    """Two cells of Müller's row are cp1252."""
    edit(checkout, "encoding: mixed", "encoding: utf-8")
    events = check(checkout).data_sets[0]
    assert (events.counts.accepted, events.counts.quarantined, events.counts.rows) == (102, 7, 110)
    found = {reason.reason: reason.first for reason in events.quarantined}
    assert found["unreadable: Kunde"] == found["unreadable: Summe"] == "orders-2.csv, row 46"


def test_check_source__finds_events_about_unknown_items(checkout: Path) -> None:
    assert check(checkout).unknown_items == pytest.approx(1 / 106)  # the three in conflict count here


def test_check_source__proposes_the_shops_weeks(checkout: Path) -> None:
    """The newest event is of 2 June, so that week is not over; unless the file says that it is."""
    shop = check(checkout).shop
    assert shop is not None
    assert (shop.first_week, shop.complete_weeks, shop.timezone) == (
        date(2024, 4, 29),
        4,
        "Europe/Berlin",
    )
    edit(checkout, "currency: EUR", "currency: EUR\ncomplete_until: 2024-06-02")
    shop = check(checkout).shop
    assert shop is not None
    assert shop.complete_weeks == 5


def test_check_source__passes_over_stray_dates(checkout: Path) -> None:
    source = load_source(checkout / "sources" / "corner.yaml")
    weeks = {date(1970, 1, 5): 1, date(2024, 4, 29): 1000, date(2024, 5, 6): 1000}
    proposed = propose_shop(source, weeks, datetime(2024, 5, 8, tzinfo=UTC))
    assert (proposed.first_week, proposed.stray_events) == (date(2024, 4, 29), 1)
    half = {date(1970, 1, 5): 1000, date(2024, 4, 29): 1000}
    assert propose_shop(source, half, datetime(2024, 5, 8, tzinfo=UTC)).first_week == date(1970, 1, 5)


def test_check_source__judges_whole_weeks_as_landing_does(checkout: Path) -> None:
    source = load_source(checkout / "sources" / "corner.yaml")
    limits = load_params(checkout / "params.yaml").validate_data
    mondays = [date(2024, 4, 29) + timedelta(weeks=week) for week in range(6)]
    weeks = dict(zip(mondays, [100, 100, 100, 100, 300, 10], strict=True))
    last = datetime(2024, 6, 4, tzinfo=UTC)
    (fault,) = week_refusals(weeks, last, propose_shop(source, weeks, last), limits)
    assert "week 5: expected between 50 and 200 events" in fault
    complete = source.model_copy(update={"complete_until": date(2024, 6, 9)})
    weeks[mondays[4]] = weeks[mondays[5]] = 100
    (fault,) = week_refusals(weeks, last, propose_shop(complete, weeks, last), limits)
    assert "week 6: expected the newest event at most" in fault


def test_check__counts_what_landing_then_accepts(checkout: Path) -> None:
    edit(checkout, "currency: EUR", "currency: EUR\ncomplete_until: 2024-06-02")
    params = checkout / "params.yaml"
    params.write_text(
        params.read_text().replace("quarantine_share_limit: 0.02", "quarantine_share_limit: 0.08")
    )
    counts = check(checkout).data_sets[0].counts
    assert shoploop("use", "corner").exit_code == 0
    land_batch(settings(), LandRequest())
    landed = validate_batch(settings()).batches[0].counts["events"]
    assert landed == {
        "rows_in": counts.rows,
        "accepted": counts.accepted,
        "quarantined": counts.quarantined + counts.set_aside,
        "duplicates": counts.duplicates,
    }


def test_check_source__judges_a_part_of_the_rows_only_by_its_rows(checkout: Path) -> None:
    found = check(checkout, rows=7)
    assert [data_set.counts.rows for data_set in found.data_sets] == [7, 7]
    assert found.data_sets[0].is_limited
    assert found.refusals == []


def test_check__shows_it_on_one_screen_and_refuses(checkout: Path) -> None:
    result = shoploop("check", "corner")
    assert result.exit_code == 2
    for part in (
        "events: 110 rows of 2 pieces, orders-1.csv to orders-2.csv, 2024-04-29 12:00 to 2024-06-02 12:00",
        'value        Summe, decimal ","            2,50 €            2.5',
        "3  event_id_conflict: first orders-2.csv, row 40, found '1049-1' with different",
        "1  cancelled_order: first orders-2.csv, row 43",
        "The first 10 rows after mapping",
        'first_week: "2024-04-29"',
        "Landing would refuse this source",
        "events: 5.5% of the rows would be quarantined, at most 2.0% may be; most often event_id_conflict",
    ):
        assert part in result.stdout


def test_check__takes_a_clean_source(checkout: Path) -> None:
    shutil.rmtree(checkout / "exports")
    shutil.rmtree(checkout / "sources")
    write_shop(checkout, messy=False)
    result = shoploop("check", str(checkout / "sources" / "corner.yaml"), "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["refusals"], document["unknown_items"]) == (0, [], 0.0)
    assert document["data_sets"][0]["counts"] == {
        "accepted": 100, "duplicates": 0, "set_aside": 0, "quarantined": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "correct", "said"),
    [
        ('delimiter: ";"', 'delimiter: ","', "delimiter"),
        ("item_id: sku", "item_id: skus", "products.csv: items: item_id: the source has no column skus; did you mean sku?"),  # noqa: E501
        ("location: exports", "location: ${NO_SUCH_FOLDER}", "the environment variable NO_SUCH_FOLDER is not set"),
        ("location: exports", "location: nowhere", "nowhere"),
        ('from: "orders*.csv"', 'from: "sales*.csv"', "sales*.csv"),
    ],
)  # fmt: skip
def test_check__names_a_wrong_mapping(checkout: Path, found: str, correct: str, said: str) -> None:
    edit(checkout, found, correct)
    result = shoploop("check", "corner")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_check__says_which_sources_there_are(checkout: Path) -> None:
    result = shoploop("check", "corne")
    assert result.exit_code == 2
    assert "expected corne.yaml, found corner; `shoploop source add corne` writes it" in result.stderr


def test_use__changes_params_and_keeps_their_comments(checkout: Path) -> None:
    shutil.rmtree(checkout / "exports")
    shutil.rmtree(checkout / "sources")
    before = (checkout / "params.yaml").read_text().splitlines()
    write_shop(checkout, messy=False)
    result = shoploop("use", "corner")
    assert result.exit_code == 0, result.output
    assert "shop.source: complete_journey -> corner" in result.stdout
    after = (checkout / "params.yaml").read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.split("#")[0].strip() for _, new in changed] == [
        "source: corner",
        "timezone: Europe/Berlin",
        'first_week: "2024-04-29"',
        "history_until_week: null",
    ]
    assert all(old.partition("#")[1:] == new.partition("#")[1:] for old, new in changed)
    shop = load_params(checkout / "params.yaml").shop
    assert (shop.source, shop.first_week, shop.history_until_week) == ("corner", date(2024, 4, 29), None)
    assert "All was so" in shoploop("use", "corner").stdout


def test_use__leaves_params_alone_when_the_source_is_refused(checkout: Path) -> None:
    before = (checkout / "params.yaml").read_text()
    result = shoploop("use", "corner")
    assert result.exit_code == 2
    assert "would be quarantined" in result.stderr
    assert (checkout / "params.yaml").read_text() == before


def test_list__shows_sources_and_what_is_wrong_with_them(checkout: Path) -> None:
    (checkout / "sources" / "broken.yaml").write_text("name: broken\nkind: files\n")
    result = shoploop("list")
    assert "corner               files, exports: events, items" in result.stdout
    assert "location: is missing" in result.stdout
    assert "* complete_journey     built in" in result.stdout


def test_check__finds_a_key_that_no_json_object_has(checkout: Path) -> None:
    """A key may be missing in some objects, but hardly in all of them."""
    products = [{"sku": f"{sku:04d}"} | ({"title": "Brot"} if sku == 3 else {}) for sku in range(10)]
    (checkout / "exports" / "products.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in products))
    edit(checkout, "from: products.csv", "from: products.jsonl")
    edit(checkout, "department: {value: shop}", "department: {value: shop}\n      brand: skus")
    found = check(checkout)
    assert found.data_sets[1].counts.accepted == 1
    assert found.data_sets[1].empty == ["skus; did you mean sku?"]
    assert "items: nothing is ever in the source's column skus; did you mean sku?" in found.remarks


def test_check__shows_the_default_shop_too() -> None:
    """Its figures are those of docs/datasets: 8,869 rows of the year have a quantity of 0 or less."""
    result = shoploop("check", "complete_journey", "--json")
    assert result.exit_code == 0, result.output
    events = next(one for one in json.loads(result.stdout)["data_sets"] if one["name"] == "events")
    assert events["counts"]["accepted"] == 1_462_540
    assert events["quarantined"][0]["rows"] == 8_869
