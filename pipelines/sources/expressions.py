"""One column of a contract as SQL over a source's cells: its value, and what is wrong where it has none."""

from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.contracts.declaration import Column
from pipelines.sources import amounts, moments
from pipelines.sources.column_mapping import ColumnMapping
from pipelines.sources.contract_check import FALSE, TRUE
from pipelines.sources.moments import Moment
from pipelines.sources.source_cells import MappingError, SourceCells, is_moment, is_number, quoted

# Not-a-number is another spelling of a missing value, in text as in a float.
MACROS = """
create macro a_figure(written) as case when lower(trim(written)) <> 'nan' then written end;
create macro unreadable(name, expected, found) as 'unreadable: ' || name || ': expected ' || expected
    || ', found ''' || replace(left(found, 80), '; ', ';') || '''';
"""


@dataclass(frozen=True)
class Expression:
    """SQL of one column, in steps that name what the next one uses.

    Attributes:
        texts: From the source's cells: their texts and what can be said of them at once.
        parts: From the texts.
        value: From both, in the contract's type; moments are naive UTC. Null where missing or unreadable.
        fault: Says why a value is unreadable, null where it is not; may use the column ``value`` by name.
    """

    value: str
    texts: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    fault: str = "null"


def expression(column: Column, mapping: ColumnMapping | None, cells: SourceCells, zone: str) -> Expression:
    """How ``column`` is made; null throughout when the mapping does not give it.

    Raises:
        MappingError: The source's columns do not fit the mapping.
    """
    if mapping is None:
        return Expression("null")
    if column.type == "timestamp":
        return _moment(column, mapping, cells, mapping.timezone or zone)
    if column.type == "float64":
        return _number(column, mapping, cells)
    return _word(column, mapping, cells)


def _word(column: Column, mapping: ColumnMapping, cells: SourceCells) -> Expression:
    text, named = f"text_{column.name}", f"named_{column.name}"
    texts, parts = {text: _text(mapping, cells)}, {named: _named(text, mapping)}
    refused = _refused(column, text, mapping)
    if column.type == "string":
        return Expression(named, texts, parts, f"case {refused} end" if refused else "null")
    value = f"case when lower({named}) in {_listed(TRUE)} then true when lower({named}) in {_listed(FALSE)} "
    unreadable = _unreadable(column.name, quoted("true or false"), text)
    fault = f"case {refused} when {named} is not null and {column.name} is null then {unreadable} end"
    return Expression(f"{value} then false end", texts, parts, fault)


def _number(column: Column, mapping: ColumnMapping, cells: SourceCells) -> Expression:
    text, named = f"text_{column.name}", f"named_{column.name}"
    texts, parts = {text: _text(mapping, cells)}, {named: f"a_figure({_named(text, mapping)})"}
    value = _parsed(None if mapping.names else mapping.from_, named, mapping, cells)
    expected = quoted(_number_in_words(mapping))
    faults = f"{_refused(column, text, mapping)} when {named} is not null and {value} is null"
    faults += f" then {_unreadable(column.name, expected, text)}"
    if mapping.times:
        times = f"times_{column.name}"
        texts[times] = f"a_figure({cells.text(mapping.times)})"
        factor = _parsed(mapping.times, times, mapping, cells)
        faults += f" when {times} is not null and {factor} is null"
        faults += f" then {_unreadable(column.name, expected, times)}"
        # A product of two decimal fractions is one too: without rounding 3 x 2.55 is 7.6499999999999995.
        value = f"round({value} * {factor}, 6)"
    return Expression(value, texts, parts, f"case {faults} end")


def _moment(column: Column, mapping: ColumnMapping, cells: SourceCells, zone: str) -> Expression:
    text = f"text_{column.name}"
    names = [f"{kind}_{column.name}" for kind in ("zoned", "local", "day")]
    told = _told(f"named_{column.name}", mapping, cells)
    texts = {text: _text(mapping, cells), f"named_{column.name}": _named(_text(mapping, cells), mapping)}
    parts = dict(zip(names, (told.zoned, told.local, told.day), strict=True))
    value = moments.in_utc(zone, mapping.fold, *names)
    told_sql = f"coalesce({', '.join(names)})"
    fault = f"""case {_refused(column, text, mapping)} when {text} is null or {column.name} is not null then null
        when {told_sql} is null then {_unreadable(column.name, quoted(moments.moment_in_words(mapping)), text)}
        when not in_reach({told_sql}) then {_unreadable(column.name, quoted(moments.IN_REACH), text)}
        else {_unreadable(column.name, quoted(f"a moment that the clocks of {zone} show, not an hour skipped"), text)}
        end"""
    return Expression(f"case when in_reach({told_sql}) then {value} end", texts, parts, fault)


def _told(named: str, mapping: ColumnMapping, cells: SourceCells) -> Moment:
    if mapping.from_ and not mapping.names and is_moment(cells.type(mapping.from_)):
        if pa.types.is_date(cells.type(mapping.from_)) and mapping.at is None:
            raise MappingError(f"{mapping.from_} holds days without a time: say `at:`, for example 23:59:59")
        return moments.typed_moment(cells.name(mapping.from_), cells.type(mapping.from_), mapping.at)
    return moments.written_moment(named, mapping)


def _text(mapping: ColumnMapping, cells: SourceCells) -> str:
    if mapping.value is not None:
        return quoted(mapping.value)
    if mapping.from_ is not None:
        return cells.text(mapping.from_)
    return f" || {quoted(mapping.with_)} || ".join(cells.text(part) for part in mapping.join)


def _named(text: str, mapping: ColumnMapping) -> str:
    """The contract's word for the source's; an empty word says that there is no value."""
    if not mapping.names:
        return f"nullif({text}, '')"
    words = " ".join(f"when {quoted(word)} then {quoted(name)}" for word, name in mapping.names.items())
    others = {"refuse": "null", "keep": text}.get(mapping.others, quoted(mapping.others))
    return f"nullif(case {text} {words} else case when {text} is not null then {others} end end, '')"


def _refused(column: Column, text: str, mapping: ColumnMapping) -> str:
    """The branch for a word that ``names`` does not know."""
    if not mapping.names or mapping.others != "refuse":
        return "when false then null"
    words = quoted("one of " + ", ".join(mapping.names))
    return f"when {text} not in {_listed(tuple(mapping.names))} then {_unreadable(column.name, words, text)}"


def _parsed(source: str | None, text: str, mapping: ColumnMapping, cells: SourceCells) -> str:
    if source is not None and is_number(cells.type(source)):
        return f"finite(cast({cells.name(source)} as double))"
    return amounts.amount(text, mapping.decimal) if mapping.decimal else amounts.plain_number(text)


def _number_in_words(mapping: ColumnMapping) -> str:
    return (
        f'a number with decimal "{mapping.decimal}"' if mapping.decimal else "a plain number such as 1234.5"
    )


def _unreadable(name: str, expected: str, found: str) -> str:
    return f"unreadable({quoted(name)}, {expected}, {found})"


def _listed(words: tuple[str, ...]) -> str:
    return f"({', '.join(map(quoted, words))})"
