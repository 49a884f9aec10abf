"""What views read, and which columns of the contracts each of their columns is made of, by sqlglot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

from pipelines.contracts import CONTRACTS
from pipelines.features.views import FeatureError, View

DIALECT = "duckdb"
MOMENT = "moment"
ROWS = "*"
# Columns that the tables a view may read have beside those of their contract, and what they are made of.
ADDED = {
    "known_events": {"week": "occurred_at", "occurred_us": "occurred_at"},
    "known_promotions": {"starts_us": "starts_at", "ends_us": "ends_at"},
}
DATA_SETS = {
    "known_events": "events",
    "items": "items",
    "users": "users",
    "known_promotions": "promotions",
}


def reads_of(view: View) -> tuple[str, ...]:
    """Tables and views that a view reads, sorted by name.

    Raises:
        FeatureError: Its SQL cannot be parsed.
    """
    query = _parse(view)
    named_inside = {cte.alias for cte in query.find_all(exp.CTE)}
    # A table that a function makes, such as a file that is read, has no name: it is listed as it is written.
    tables = {table.name or table.sql(dialect=DIALECT) for table in query.find_all(exp.Table)}
    return tuple(sorted(tables - named_inside))


def beyond_reach(view: View, before: Iterable[str]) -> tuple[str, ...]:
    """Tables and files that a view reads although it may not, sorted.

    Args:
        view: Which view.
        before: The views that are built before it.

    Raises:
        FeatureError: Its SQL cannot be parsed.
    """
    allowed = {*DATA_SETS, MOMENT, *before}
    return tuple(table for table in reads_of(view) if table not in allowed)


def refuse_beyond_reach(views: Sequence[View]) -> None:
    """Refuse views that could see the future: DuckDB itself would let them read the landed files.

    Args:
        views: In the order in which they are built.

    Raises:
        FeatureError: A view reads what it may not; the message names the view and the table.
    """
    for place, view in enumerate(views):
        if tables := beyond_reach(view, (earlier.name for earlier in views[:place])):
            raise FeatureError(f"{view.name}.sql: {reach_fault(tables[0])}")


def reach_fault(table: str) -> str:
    """What to say of a table that a view may not read."""
    return f"it reads {table}: read {', '.join(DATA_SETS)}, {MOMENT} or a view named before it only"


def output_of(view: View) -> tuple[str, ...]:
    """Names of the columns of a view, in order.

    Raises:
        FeatureError: Its SQL cannot be parsed.
    """
    return tuple(_parse(view).named_selects)


class Lineage:
    """Columns of the contracts behind columns of the views, through the views that they read.

    ``events.value`` is a column, ``events.*`` says that rows of the data set are counted, and ``moment`` that
    the moment of prediction enters. What a filter or a join leaves out of a view is not part of it.
    """

    def __init__(self, views: Mapping[str, View]) -> None:
        self._views = views
        self._found: dict[str, dict[str, tuple[str, ...]]] = {}

    def of(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """Contract columns by column of one view.

        Raises:
            FeatureError: The SQL of the view, or of one that it reads, cannot be resolved.
        """
        if name not in self._found:
            self._found[name] = self._trace(self._views[name])
        return self._found[name]

    @cached_property
    def _schema(self) -> dict[str, dict[str, str]]:
        shown = {
            table: [*CONTRACTS[data_set].column_names, *ADDED.get(table, {})]
            for table, data_set in DATA_SETS.items()
        }
        shown[MOMENT] = ["at_us", "week"]
        shown |= {name: list(output_of(view)) for name, view in self._views.items()}
        # Lineage asks for names only; any type will do.
        return {table: dict.fromkeys(columns, "VARCHAR") for table, columns in shown.items()}

    def _trace(self, view: View) -> dict[str, tuple[str, ...]]:
        query = _parse(view)
        try:
            nodes = lineage(None, query, self._schema, dialect=DIALECT, validate_qualify_columns=True)
        except SqlglotError as error:
            raise FeatureError(f"{view.name}.sql: its columns cannot be traced: {error}") from error
        inside = {cte.alias: cte.this for cte in query.find_all(exp.CTE)}
        return {
            column: tuple(
                sorted({origin for leaf in _leaves(node) for origin in self._origins(leaf, inside)})
            )
            for column, node in nodes.items()
        }

    def _origins(self, leaf: Node, inside: Mapping[str, exp.Expr]) -> Iterator[str]:
        if isinstance(leaf.source, exp.Table):
            yield from self._column(leaf.source.name, leaf.name.rsplit(".", 1)[-1].strip('"'))
        elif leaf.expression.find(exp.Count):
            yield from self._rows(leaf.source, inside)

    def _column(self, table: str, column: str) -> tuple[str, ...]:
        if table in self._views:
            return self.of(table)[column]
        if table == MOMENT:
            return (MOMENT,)
        # What is out of reach has no contract: it is named as it is, and the catalog's faults say so.
        return (f"{DATA_SETS.get(table, table or 'file')}.{ADDED.get(table, {}).get(column, column)}",)

    def _rows(self, query: exp.Expr, inside: Mapping[str, exp.Expr]) -> Iterator[str]:
        """The data sets whose rows a query counts: those of what it reads first."""
        if isinstance(query, exp.SetOperation):
            yield from self._rows(query.this, inside)
            yield from self._rows(query.expression, inside)
            return
        source = query.find(exp.From)
        if source is not None and isinstance(source.this, exp.Subquery):
            yield from self._rows(source.this.this, inside)
            return
        name = source.this.name if source is not None else ""
        if name in inside:
            yield from self._rows(inside[name], inside)
        elif name in self._views:
            yield from self._rows_of_view(self._views[name])
        elif name in DATA_SETS:
            yield f"{DATA_SETS[name]}.{ROWS}"

    def _rows_of_view(self, view: View) -> Iterator[str]:
        query = _parse(view)
        yield from self._rows(query, {cte.alias: cte.this for cte in query.find_all(exp.CTE)})


def _leaves(node: Node) -> Iterator[Node]:
    return (part for part in node.walk() if not part.downstream)


def _parse(view: View) -> exp.Query:
    try:
        query = parse_one(view.sql, dialect=DIALECT)
    except SqlglotError as error:
        raise FeatureError(f"{view.name}.sql cannot be parsed: {error}") from error
    if not isinstance(query, exp.Query):
        raise FeatureError(f"{view.name}.sql: expected one SELECT, found {query.key.upper()}")
    return query
