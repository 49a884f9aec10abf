"""The rules for messy rows as SQL: which rows are set aside, and what becomes of guests and returns."""

from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from pipelines.sources.declaration import DataSetMapping
from pipelines.sources.errors import SourceError
from pipelines.sources.source_cells import SourceCells, quoted


def declared_before(mapping: DataSetMapping, cells: SourceCells) -> str:
    """SQL of what sets a row aside whatever else is wrong with it: the filter and cancelled orders.

    Raises:
        MappingError: A rule names a column that the source does not have.
        SourceError: ``where`` is no condition.
    """
    return _first([*_where(mapping, cells), *_cancelled(mapping, cells)])


def declared_after(mapping: DataSetMapping) -> str:
    """SQL of what sets a readable row aside: guests and returns, where the mapping says so."""
    branches = []
    if mapping.rules.guests == "set_aside":
        branches.append("when user_id is null then 'declared: guest'")
    if mapping.rules.returns == "set_aside":
        branches.append("when quantity < 0 then 'declared: return'")
    return _first(branches)


def rewritten(mapping: DataSetMapping) -> dict[str, str]:
    """SQL of the contract columns that a rule changes, by name."""
    changes = {}
    if mapping.rules.guests == "give_each_basket_its_own_shopper":
        changes["user_id"] = "coalesce(user_id, 'guest-' || basket_id)"
    if mapping.rules.returns == "become_return_events":
        changes["event_type"] = "case when quantity < 0 then 'return' else event_type end"
        changes["quantity"] = "abs(quantity)"
        # What was paid back, which the contract has as a positive number; sources give it either sign.
        changes["value"] = "case when quantity < 0 then abs(value) else value end"
    return changes


def _first(branches: list[str]) -> str:
    return f"case {' '.join(branches)} end" if branches else "null"


def _cancelled(mapping: DataSetMapping, cells: SourceCells) -> Iterator[str]:
    rule = mapping.rules.cancelled_orders
    if rule is None:
        return
    text = cells.text(rule.column)
    if rule.do == "set_aside":
        is_cancelled = (
            f"starts_with({text}, {quoted(rule.prefix)})"
            if rule.prefix
            else f"{text} in ({', '.join(map(quoted, rule.values))})"
        )
        yield f"when {is_cancelled} then 'declared: cancelled_order'"


def _where(mapping: DataSetMapping, cells: SourceCells) -> Iterator[str]:
    if mapping.where is None:
        return
    condition = parse_condition(mapping.where)
    for column in list(condition.find_all(exp.Column)):
        column.replace(exp.column(cells.name(column.name)))
    yield f"when not coalesce(({condition.sql('duckdb')}), false) then 'declared: where'"


def parse_condition(where: str) -> exp.Expression:
    """The condition of ``where``, parsed.

    Raises:
        SourceError: It is not one condition over a row's own columns.
    """
    try:
        parsed = sqlglot.parse_one(f"select 1 where ({where})", dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise SourceError(
            f"where: expected a condition in SQL, found {where!r}: {_first_line(error)}"
        ) from error
    inner = parsed.args["where"].this if parsed.args.get("where") else None
    if not isinstance(inner, exp.Paren) or inner.find(exp.Query, exp.AggFunc, exp.Window):
        raise SourceError(f"where: expected a condition over a row's own columns, found {where!r}")
    return inner


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
