"""A source's own file: what it may say, and what is said when it is wrong."""

from pathlib import Path

import pytest

from pipelines.sources.declaration import SourceDeclaration, SourceError, load_source

EVENTS = """
  events:
    from: "orders*.csv"
    delimiter: ";"
    columns:
      event_id: {join: [order_id, line], with: "-"}
      event_type: {value: purchase}
      user_id: customer_id
      occurred_at: {from: ordered_on, format: "%d.%m.%Y %H:%M"}
      quantity: pieces
      basket_id: order_id
"""
TOP = "name: shop\nkind: files\nlocation: exports\ntimezone: Europe/Berlin\ncurrency: EUR\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "shop.yaml"
    path.write_text(text)
    return path


def load(folder: Path, text: str) -> SourceDeclaration:
    return load_source(written(folder, text))


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SourceError) as caught:
        load(folder, text)
    return str(caught.value)


def test_load_source__reads_every_part(tmp_path: Path) -> None:
    source = load(tmp_path, TOP + "complete_until: 2024-06-30\ndata_sets:" + EVENTS)
    events = source.data_sets["events"]
    assert (events.from_, events.delimiter, events.encoding) == ("orders*.csv", ";", "utf-8")
    assert events.columns["user_id"].from_ == "customer_id"
    assert events.columns["event_id"].join == ("order_id", "line")
    assert events.columns["occurred_at"].format == ("%d.%m.%Y %H:%M",)
    assert str(source.complete_until) == "2024-06-30"
    assert (events.keep_last, events.keep_first, events.rules.guests) == (False, False, None)


def test_load_source__keeps_written_values_as_text(tmp_path: Path) -> None:
    """Plain YAML would read 83, 750 and False here."""
    columns = EVENTS.replace("basket_id: order_id", 'basket_id: {from: o, names: {0123: 0123, no: "12:30"}}')
    names = load(tmp_path, TOP + "data_sets:" + columns).data_sets["events"].columns["basket_id"].names
    assert names == {"0123": "0123", "no": "12:30"}


@pytest.mark.parametrize(
    ("found", "correct", "said"),
    [
        ("currency: EUR", "curency: EUR", "curency: unknown key; did you mean currency? the keys here are"),
        (
            "currency: EUR",
            "currency: EURO",
            "currency: expected an ISO 4217 code .* found 'EURO'; did you mean EUR",
        ),
        ("Europe/Berlin", "Europe/Berln", "timezone: expected a time zone .* did you mean Europe/Berlin?"),
        ("delimiter:", "delimeter:", "data_sets.events.delimeter: unknown key; did you mean delimiter?"),
        ("with:", "wiht:", "data_sets.events.columns.event_id.wiht: unknown key; did you mean with?"),
        ("      quantity:", "      qantity:", "qantity: unknown contract column; did you mean quantity"),
        ("  events:", "  event:", "data_sets.event: unknown data set; did you mean events?"),
        ("{value: purchase}", "{value: purchased}", "found 'purchased'; did you mean purchase?"),
        ("{value: purchase}", "{value: purchase, from: a}", "expected one of from, value and join"),
        ("quantity: pieces", "quantity: {from: pieces, format: iso}", "quantity is float64, and this key"),
        ("%d.%m.%Y %H:%M", "%d.%m.%Y", "%d.%m.%Y has no time of day: say where in the day"),
        ("%d.%m.%Y %H:%M", "dd.mm.yyyy", "expected patterns such as %d.%m.%Y or one of iso"),
        ("%d.%m.%Y %H:%M", "%d.%m.%Q %H:%M", "the pattern '%Q' means nothing"),
        ("kind: files", "kind: excel", "kind: Input should be 'files', 'database', 'stream' or 'published'"),
        ("name: shop", "name: store", "name: expected 'shop', as the file is called, found 'store'"),
        ("kind: files", "kind: files\nkind: files", "the key 'kind' comes twice in line 3, column 1"),
        ("kind: files", "kind: [files", "expected YAML, found: .* in line"),
    ],
)
def test_load_source__says_what_to_correct(tmp_path: Path, found: str, correct: str, said: str) -> None:
    text = TOP + "data_sets:" + EVENTS
    assert found in text
    message = refusal(tmp_path, text.replace(found, correct))
    assert message.startswith(str(tmp_path / "shop.yaml"))
    assert all(part in message for part in said.split(" .* ")), message


def test_load_source__names_a_missing_required_column_and_the_contracts(tmp_path: Path) -> None:
    said = refusal(tmp_path, TOP + "data_sets:" + EVENTS.replace("      user_id: customer_id\n", ""))
    assert "data_sets.events.columns: missing required column user_id; the columns of events are:" in said
    assert "occurred_at" in said


@pytest.mark.parametrize(
    ("rule", "removed", "said"),
    [
        ("repeated_rows: keep_last", "", "keep_last is for data sets whose rows are replaced"),
        ("guests: give_each_basket_its_own_shopper", "basket_id", "needs the basket of each row"),
        ("returns: become_return_events", "quantity", "needs event_type and quantity"),
        ("cancelled_orders: {column: status}", "", "expected either values or prefix"),
        ("canceled_orders: {column: a}", "", "unknown key; did you mean cancelled_orders?"),
        ("cancelled_orders: {colum: a, values: x}", "", "unknown key; did you mean column?"),
        ("guests: remove", "", "guests: Input should be 'set_aside' or"),
    ],
)
def test_load_source__checks_rules(tmp_path: Path, rule: str, removed: str, said: str) -> None:
    events = "\n".join(line for line in EVENTS.splitlines() if not removed or f" {removed}:" not in line)
    with pytest.raises(SourceError, match=said):
        load(tmp_path, f"{TOP}data_sets:{events}\n    rules:\n      {rule}\n")


def test_opened_location__is_filled_in_and_never_shown(tmp_path: Path) -> None:
    location = "location: postgresql://reader:${PASS_WORD}@db/shop"
    source = load(tmp_path, TOP.replace("location: exports", location) + "data_sets:" + EVENTS)
    assert source.opened_location({"PASS_WORD": "s3cret"}.get) == "postgresql://reader:s3cret@db/shop"
    with pytest.raises(
        SourceError, match=r"source shop: location: the environment variable PASS_WORD is not"
    ):
        source.opened_location({}.get)


@pytest.mark.parametrize(
    "location", ["postgresql://me:hunter2@db/shop", "https://shop/v1/events?token=hunter2"]
)
def test_load_source__shows_no_secret(tmp_path: Path, location: str) -> None:
    text = TOP.replace("exports", location) + "data_sets:" + EVENTS
    source = load(tmp_path, text)
    assert "hunter2" not in repr(source) + str(source) + source.shown_location
    assert "hunter2" not in refusal(tmp_path, text.replace("EUR", "EURO").replace("kind: files", "kind: x"))


def test_load_source__names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none.yaml: cannot be read .*shoploop source add"):
        load_source(tmp_path / "none.yaml")
