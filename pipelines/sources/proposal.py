"""A first declaration of a source, guessed from names and a few rows, for a person to correct."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.contracts.events import EVENT_TYPES
from pipelines.sources import guesses
from pipelines.sources.column_mapping import is_day_only
from pipelines.sources.declaration import SourceDeclaration
from pipelines.sources.guesses import are_numbers, assign, decimal_sign, moment_formats, plain, texts
from pipelines.sources.sniffing import Found

UNKNOWN = "which_column"
FEW = 30
CANCELLED = re.compile(r"cancel|storn|void|annul", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One line of the file, with what a person should look at."""

    text: str
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.text}  # {self.remark}" if self.remark else self.text


def propose(source: SourceDeclaration, found: list[Found]) -> str:
    """The text of ``sources/NAME.yaml``.

    Args:
        source: Name, kind, location, time zone and currency.
        found: What lies there.
    """
    events = max(found, key=_like_events)
    items = max((one for one in found if one is not events), key=_like_items, default=None)
    if items is None or not _like_items(items):
        items = events
    users = next((one for one in found if one not in (events, items) and _is_users(one)), None)
    lines = [*_head(source), *_events(events), *_items(items, events)]
    lines += _users(users) if users else []
    rest = [one.from_ for one in found if one not in (events, items, users)]
    if rest:
        lines.append(Line(f"# Not mapped: {', '.join(rest)}"))
    return "\n".join(map(str, lines)) + "\n"


def _head(source: SourceDeclaration) -> Iterator[Line]:
    yield Line(
        f"# Guessed by `shoploop source add {source.name}` from names and the first rows. Read it, correct it,"
    )
    yield Line(
        f"# then `shoploop source check {source.name}` shows what it makes of the data. Keys: docs/sources.md."
    )
    yield Line(f"name: {source.name}")
    yield Line(f"kind: {source.kind}")
    yield Line(f"location: {_quoted(source.location)}")
    yield Line(f"timezone: {source.timezone}", "of moments that carry no zone")
    yield Line(f"currency: {source.currency}")
    yield Line("# complete_until: 2024-06-30  # if the last week is complete although nothing newer is there")
    yield Line("data_sets:")


def _form(one: Found) -> Iterator[Line]:
    yield Line(f"    from: {_quoted(one.from_)}")
    if one.encoding != "utf-8":
        yield Line(
            f"    encoding: {one.encoding}", "UTF-8 where a line is valid UTF-8, cp1252 where it is not"
        )
    if one.delimiter != ",":
        yield Line(f"    delimiter: {_quoted(one.delimiter)}")
    yield Line("    columns:")


def _events(one: Found) -> Iterator[Line]:
    given = _event_columns(one)
    yield Line("  events:")
    yield from _form(one)
    yield _event_id(one, given)
    yield _event_type(one, given)
    there = f"no column looks like it; there are: {', '.join(one.rows.column_names)}"
    for column in ("user_id", "item_id"):
        yield Line(f"      {column}: {_quoted(given.get(column, UNKNOWN))}", "" if column in given else there)
    for column in ("basket_id", "store_id"):
        if column in given:
            yield Line(f"      {column}: {_quoted(given[column])}")
    yield _quantity(one, given)
    if "value" in given:
        yield _value(one, given)
    if "discount" in given:
        yield Line(f"      discount: {_number(one, given['discount'])}", "as a positive number")
    yield _occurred_at(one, given, there)
    yield from _rules(one, given)


def _event_columns(one: Found) -> dict[str, str]:
    given = assign(one.rows.column_names, guesses.CALLED)
    for column in ("quantity", "value", "discount"):
        if column in given and not are_numbers(texts(one.rows, given[column])):
            del given[column]
    if "occurred_at" in given and not moment_formats(texts(one.rows, given["occurred_at"])):
        del given["occurred_at"]
    return given


def _event_id(one: Found, given: dict[str, str]) -> Line:
    if "event_id" in given:
        return Line(f"      event_id: {_quoted(given['event_id'])}")
    line = [name for name in one.rows.column_names if guesses.LINE.match(plain(name))]
    wanted = ("basket_id",) if line else ("basket_id", "user_id", "item_id", "occurred_at")
    parts = [given[column] for column in wanted if column in given] + line
    remark = (
        "names a line; rows that share it must be the same line" if line else "no id of a line: made of these"
    )
    return Line(f"      event_id: {{join: {_listed(parts or [UNKNOWN])}}}", remark)


def _event_type(one: Found, given: dict[str, str]) -> Line:
    words = sorted(set(texts(one.rows, given["event_type"]))) if "event_type" in given else []
    if not words or len(words) > FEW:
        return Line("      event_type: {value: purchase}", "every row is a purchase")
    if all(word in EVENT_TYPES for word in words):
        return Line(f"      event_type: {_quoted(given['event_type'])}")
    names = ", ".join(f"{_quoted(word)}: {_quoted(guesses.event_type_of(word))}" for word in words)
    unknown = [word for word in words if not guesses.event_type_of(word)]
    remark = f"say what these are: {', '.join(unknown)}" if unknown else "other words are refused"
    return Line(f"      event_type: {{from: {_quoted(given['event_type'])}, names: {{{names}}}}}", remark)


def _quantity(one: Found, given: dict[str, str]) -> Line:
    if "quantity" not in given:
        return Line('      quantity: {value: "1"}', "no column looks like it")
    return Line(f"      quantity: {_number(one, given['quantity'])}")


def _value(one: Found, given: dict[str, str]) -> Line:
    name = given["value"]
    if "quantity" in given and re.search(r"^(unit|stueck)?(price|preis)$", plain(name)):
        times = _number(one, name, times=given["quantity"])
        return Line(
            f"      value: {times}", "price of one piece times pieces; without `times` if it is the line's"
        )
    return Line(f"      value: {_number(one, name)}")


def _number(one: Found, name: str, times: str = "") -> str:
    sign = decimal_sign(texts(one.rows, name))
    keys = [f"from: {_quoted(name)}"] + ([f"times: {_quoted(times)}"] if times else [])
    keys += [f'decimal: "{sign}"'] if sign else []
    return f"{{{', '.join(keys)}}}" if len(keys) > 1 else _quoted(name)


def _occurred_at(one: Found, given: dict[str, str], there: str) -> Line:
    if "occurred_at" not in given:
        return Line(f"      occurred_at: {UNKNOWN}", there)
    fits = moment_formats(texts(one.rows, given["occurred_at"]))
    keys = [f"from: {_quoted(given['occurred_at'])}"]
    if fits[0] != "iso":
        keys.append(f"format: {_quoted(fits[0])}")
    days = any(re.fullmatch(r"\d{4}-\d\d-\d\d", text) for text in texts(one.rows, given["occurred_at"]))
    if is_day_only(fits[0]) or (fits[0] == "iso" and days):
        keys.append('at: "23:59:59"')
    twins = [other for other in fits[1:] if sorted(other) == sorted(fits[0])]
    remark = f"or {twins[0]}? Both fit the rows that were read" if twins else ""
    made = f"{{{', '.join(keys)}}}" if len(keys) > 1 else _quoted(given["occurred_at"])
    return Line(f"      occurred_at: {made}", remark)


def _rules(one: Found, given: dict[str, str]) -> Iterator[Line]:
    rules = []
    for name in (name for name in one.rows.column_names if "status" in plain(name)):
        words = [word for word in sorted(set(texts(one.rows, name))) if CANCELLED.search(word)]
        if words:
            keys = f"column: {_quoted(name)}, values: {_listed(words)}"
            rules.append(
                Line(f"      cancelled_orders: {{{keys}}}", "set aside; are there other words for it?")
            )
    if "basket_id" in given and not rules:
        baskets = texts(one.rows, given["basket_id"])
        letters = {text[0] for text in baskets if re.fullmatch(r"[A-Za-z]\d+", text)}
        if len(letters) == 1 and any(text.isdigit() for text in baskets):
            keys = f"column: {_quoted(given['basket_id'])}, prefix: {_quoted(letters.pop())}"
            rules.append(Line(f"      cancelled_orders: {{{keys}}}", "set aside; is it so?"))
    if (
        "user_id" in given
        and len(texts(one.rows, given["user_id"])) < one.rows.num_rows
        and "basket_id" in given
    ):
        rules.append(Line("      guests: give_each_basket_its_own_shopper", "or set_aside"))
    if "quantity" in given and any(re.match(r"\s*[-(]", text) for text in texts(one.rows, given["quantity"])):
        rules.append(Line("      returns: become_return_events", "or set_aside"))
    if rules:
        yield Line("    rules:")
        yield from rules


def _items(one: Found, events: Found) -> Iterator[Line]:
    given = assign(one.rows.column_names, guesses.ITEM_CALLED)
    if one is events and "item_id" in _event_columns(events):
        given["item_id"] = _event_columns(events)["item_id"]
    yield Line("  items:", "the catalog, taken from the same lines" if one is events else "")
    yield from _form(one)
    item = given.get("item_id", UNKNOWN)
    yield Line(f"      item_id: {_quoted(item)}")
    yield Line(
        f"      title: {_quoted(given.get('title', item))}",
        "" if "title" in given else "no column looks like it",
    )
    if "department" not in given and "category" in given:
        given["department"] = given["category"]
    department = _quoted(given["department"]) if "department" in given else "{value: all}"
    yield Line(f"      department: {department}", "" if "department" in given else "no column looks like it")
    for column in ("category", "type", "brand", "package_size"):
        if column in given:
            yield Line(f"      {column}: {_quoted(given[column])}")
    sellable = _quoted(given["recommendable"]) if "recommendable" in given else '{value: "true"}'
    yield Line(
        f"      recommendable: {sellable}", "false for what nobody wants from a list: fees, gift cards"
    )
    if one is events:
        yield Line("    rules:")
        yield Line("      repeated_rows: keep_last", "an item comes once for every line that sold it")


def _users(one: Found) -> Iterator[Line]:
    yield Line("  users:")
    yield from _form(one)
    yield Line(f"      user_id: {_quoted(assign(one.rows.column_names, guesses.CALLED)['user_id'])}")


def _like_events(one: Found) -> int:
    given = _event_columns(one)
    return 4 * ("occurred_at" in given) + 2 * ("item_id" in given) + 2 * ("user_id" in given) + len(given)


def _like_items(one: Found) -> int:
    given = assign(one.rows.column_names, guesses.ITEM_CALLED)
    return len(given) if {"item_id", "title"} <= set(given) else 0


def _is_users(one: Found) -> bool:
    given = _event_columns(one)
    return "user_id" in given and "item_id" not in given


def _quoted(text: str) -> str:
    """The text in YAML, in quotes where it is more than a word."""
    return text if re.fullmatch(r"[A-Za-z_][\w/-]*", text) else json.dumps(text, ensure_ascii=False)


def _listed(names: list[str]) -> str:
    return f"[{', '.join(map(_quoted, names))}]"
