"""One column of a contract as SQL over a source's cells: its value, and what is wrong where it has none."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from pipelines.contracts.declaration import Column
from pipelines.sources import amounts, moments
from pipelines.sources.column_mapping import ColumnMapping
from pipelines.sources.contract_check import FALSE, TRUE
from pipelines.sources.moments import Moment
from pipelines.sources.source_cells import MappingError, SourceCells, is_moment, is_number, quoted

# Reasons are joined by "; ", so what was found must not hold that.
# Not-a-number is another spelling of a missing value, in text as in a float.
MACROS = """
create macro a_figure(written) as case when lower(trim(written)) <> 'nan' then written end;
create macro unreadable(name, expected, found) as 'unreadable: ' || name || ': expected ' || expected
    || ', found ''' || regexp_replace(left(found, 80), '; +', ';', 'g') || '''';
"""


@dataclass(frozen=True)
class Expression:
    """SQL of one column.

    Attributes:
        value: In the contract's type, moments as naive UTC; null where missing or unreadable.
        steps: What the value is made from, by name: first from the source's cells, then from the step before.
        fault: Why the value is unreadable, null where it is not; uses names of steps, and the column by its own.
    """

    value: str
    steps: tuple[dict[str, str], ...] = ()
    fault: str = "null"

    def step(self, number: int) -> Iterable[tuple[str, str]]:
        """Names and SQL of one step, none where there are fewer."""
        return self.steps[number].items() if number < len(self.steps) else ()


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
    steps = ({text: _text(mapping, cells)}, {named: _named(text, mapping)})
    refused = _refused(column, text, mapping)
    if column.type == "string":
        return Expression(named, steps, f"case {refused} end")
    value = f"case when lower({named}) in {_listed(TRUE)} then true when lower({named}) in {_listed(FALSE)} "
    unreadable = _unreadable(column.name, quoted("true or false"), text)
    fault = f"case {refused} when {named} is not null and {column.name} is null then {unreadable} end"
    return Expression(f"{value} then false end", steps, fault)


def _number(column: Column, mapping: ColumnMapping, cells: SourceCells) -> Expression:
    text = f"text_{column.name}"
    typed = None if mapping.names else mapping.from_
    figures = [_figure(f"own_{column.name}", _named(_text(mapping, cells), mapping), typed, mapping, cells)]
    if mapping.times:
        written = cells.text(mapping.times)
        figures.append(_figure(f"times_{column.name}", written, mapping.times, mapping, cells))
    faults = [_refused(column, text, mapping), *(_no_figure(column, figure, mapping) for figure in figures)]
    steps: list[dict[str, str]] = [{text: _text(mapping, cells)}, {}, {}]
    for figure in figures:
        steps = [step | more for step, more in zip(steps, figure.steps, strict=True)]
    product = " * ".join(figure.name for figure in figures)
    # A product of two decimal fractions is one too: without rounding 3 x 2.55 is 7.6499999999999995.
    value = f"round({product}, 6)" if mapping.times else product
    return Expression(value, tuple(steps), f"case {' '.join(faults)} end")


@dataclass(frozen=True)
class _Figure:
    """One number on its way: written, taken apart, and parsed under ``name``."""

    name: str
    steps: tuple[dict[str, str], dict[str, str], dict[str, str]]


def _figure(name: str, text: str, typed: str | None, mapping: ColumnMapping, cells: SourceCells) -> _Figure:
    """The number that ``text`` tells, or that the column ``typed`` of the source holds if it is one already."""
    written, parts = f"written_{name}", f"parts_{name}"
    first = {written: f"a_figure({text})"}
    if typed is not None and is_number(cells.type(typed)):
        return _Figure(name, (first, {}, {name: f"finite(cast({cells.name(typed)} as double))"}))
    if mapping.decimal is None:
        return _Figure(name, (first, {}, {name: amounts.plain_number(written)}))
    taken_apart = {parts: amounts.amount_parts(written, mapping.decimal)}
    return _Figure(name, (first, taken_apart, {name: amounts.amount(written, parts, mapping.decimal)}))


def _no_figure(column: Column, figure: _Figure, mapping: ColumnMapping) -> str:
    plain = "a plain number such as 1234.5"
    expected = f'a number with decimal "{mapping.decimal}"' if mapping.decimal else plain
    unreadable = _unreadable(column.name, quoted(expected), f"written_{figure.name}")
    return f"when written_{figure.name} is not null and {figure.name} is null then {unreadable}"


def _moment(column: Column, mapping: ColumnMapping, cells: SourceCells, zone: str) -> Expression:
    text, named = f"text_{column.name}", f"named_{column.name}"
    names = [f"{kind}_{column.name}" for kind in ("zoned", "local", "day")]
    told = _told(named, mapping, cells)
    first = {text: _text(mapping, cells), named: _named(_text(mapping, cells), mapping)}
    second = dict(zip(names, (told.zoned, told.local, told.day), strict=True))
    any_told = f"coalesce({', '.join(names)})"
    expected = f"""case when {any_told} is null then {quoted(moments.moment_in_words(mapping))}
        when not in_reach({any_told}) then {quoted(moments.IN_REACH)}
        else {quoted(f"a moment that the clocks of {zone} show, not an hour skipped")} end"""
    fault = f"""case {_refused(column, text, mapping)} when {named} is not null and {column.name} is null
        then {_unreadable(column.name, expected, text)} end"""
    value = f"case when in_reach({any_told}) then {moments.in_utc(zone, mapping.fold, *names)} end"
    return Expression(value, (first, second), fault)


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
    words = quoted("one of " + re.sub("; +", ";", ", ".join(mapping.names)))
    return f"when {text} not in {_listed(tuple(mapping.names))} then {_unreadable(column.name, words, text)}"


def _unreadable(name: str, expected: str, found: str) -> str:
    return f"unreadable({quoted(name)}, {expected}, {found})"


def _listed(words: tuple[str, ...]) -> str:
    return f"({', '.join(map(quoted, words))})"
