"""Guesses about columns: what one is called like, and how its moments and amounts are written."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import duckdb
import pyarrow as pa

from pipelines.sources import amounts
from pipelines.sources.source_cells import quoted

# In the order in which columns of a source are given away; against names in small letters without signs.
CALLED = {
    "occurred_at": r"occurredat|timestamp|^ts$|(date|time|datum|zeit)"
    r"|(ordered|created|bought|paid|bestellt)(on|at|am)$",
    "item_id": r"^(item|product|article|artikel|produkt|stock|variant|movie|book)(id|no|nr|code|number|nummer)$|sku"
    r"|asin|^(item|product|article|artikel|produkt)$|(item|product|article|artikel)(id|no|nr|code)",
    "user_id": r"(user|customer|client|visitor|shopper|kunde|kunden|member|household|buyer|reviewer)(id|no|nr|nummer)?$"
    r"|^(uid|email)$",
    "basket_id": r"(order|basket|invoice|transaction|bestellung|cart|receipt|rechnung|session)(id|no|nr|nummer)?$",
    "quantity": r"^(quantity|qty|pieces|menge|units|count|anzahl|stueck)$|quantity",
    "value": r"^(total|value|revenue|amount|sum|summe|betrag|sales|salesvalue|price|preis|unitprice|linetotal|rating)$"
    r"|(total|price|preis|betrag|amount)",
    "discount": r"discount|rabatt|rebate",
    "store_id": r"(store|branch|filiale|shop)(id|no|nr)?$",
    "event_type": r"^(event|eventtype|eventname|action|activity|aktion)$",
    "event_id": r"^(event|eventid|lineid|orderlineid|rowid|uuid|guid)$",
}
ITEM_CALLED = {
    "item_id": CALLED["item_id"] + r"|^id$",
    "title": r"title|titel|productname|itemname|^name$|description|bezeichnung|beschreibung",
    "department": r"department|abteilung|^group|producttype",
    "category": r"category|kategorie",
    "type": r"^(type|kind|subcategory|producttype|articletype|unterkategorie)$",
    "brand": r"brand|marke",
    "package_size": r"^(size|packagesize|packsize|groesse)$",
    "recommendable": r"(sellable|besold|onsale|active|available|recommendable|instock)$",
}
LINE = re.compile(r"^(line|lineno|linenumber|linenr|position|pos|zeile|row)$")
TYPES = {
    "purchase": r"purchase|buy|bought|transaction|order|sale|checkout|kauf",
    "cart": r"cart|basket|warenkorb",
    "view": r"view|seen|click|detail|visit|impression",
    "rating": r"rat(e|ing)|review|stars",
    "search": r"search|query",
    "return": r"return|refund|retoure",
}
PATTERNS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M", "%d-%m-%Y %H:%M", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d",
)  # fmt: skip
ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?$"
EPOCHS = {10: "epoch_seconds", 13: "epoch_millis", 16: "epoch_micros"}


def plain(name: str) -> str:
    """A name in small letters without signs."""
    return re.sub(r"[\W_]+", "", name.lower())


def assign(names: Iterable[str], called: dict[str, str]) -> dict[str, str]:
    """For each contract column the source's column that is called most like it, each given once."""
    left, given = list(names), {}
    for column, pattern in called.items():
        exact = [name for name in left if plain(name) == plain(column)]
        alike = sorted(
            (name for name in left if re.search(pattern, plain(name))), key=lambda name: len(plain(name))
        )
        for name in (exact or alike)[:1]:
            given[column] = name
            left.remove(name)
    return given


def texts(table: pa.Table, name: str) -> list[str]:
    """The filled cells of a column as texts."""
    return [str(value) for value in table[name].to_pylist() if value not in (None, "")]


def moment_formats(values: Sequence[str]) -> list[str]:
    """Formats in which every value can be read: ``iso``, an epoch, or patterns, day first before month first."""
    if not values:
        return []
    lengths = {len(text) if re.fullmatch(r"\d{10}|\d{13}|\d{16}", text) else 0 for text in values}
    if len(lengths) == 1 and max(lengths):
        return [EPOCHS[max(lengths)]]
    if all(re.match(ISO, text) for text in values):
        return ["iso"]
    return [
        pattern for pattern in PATTERNS if _all_parse(values, f"try_strptime(trim(word), {quoted(pattern)})")
    ]


def decimal_sign(values: Sequence[str]) -> Literal[",", "."] | None:
    """The decimal sign with which every amount can be read; None where plain numbers do, or nothing does."""
    if _all_parse(values, amounts.plain_number("word")):
        return None
    signs: tuple[Literal[",", "."], ...] = (",", ".")
    for sign in signs:
        parts = amounts.amount_parts("word", sign)
        if _all_parse(values, amounts.amount("word", f"({parts})", sign)):
            return sign
    return None


def are_numbers(values: Sequence[str]) -> bool:
    """Whether nearly all values are numbers or amounts."""
    figures = sum(bool(re.search(r"\d", text)) and len(re.findall(r"[A-Za-z]", text)) <= 3 for text in values)
    return figures >= 0.9 * len(values)


def _all_parse(values: Sequence[str], sql: str) -> bool:
    with duckdb.connect() as connection:
        connection.execute(amounts.MACROS)
        connection.register("words", pa.table({"word": list(values)}))
        missed = connection.execute(f"select count(*) from words where ({sql}) is null").fetchall()[0][0]
    return int(missed) <= 0.02 * len(values)  # real exports hold a few that nothing can read


def event_type_of(word: str) -> str:
    """The contract's event type that a word seems to mean, empty where none does."""
    return next((name for name, pattern in TYPES.items() if re.search(pattern, plain(word))), "")
