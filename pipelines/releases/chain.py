"""A hash chain over the rows of the ledger: whoever changes, removes or slips in a row breaks it.

Each appended row gets a link, written in the same transaction: the hash of the row and of the link before. The last
link is the *head*. Whoever can write the database and recomputes every link after a change leaves a whole chain with
another head, so a head that was noted elsewhere (a task's log, a ticket) is what proves that nothing before it was
touched.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

FIRST = "0" * 64
"""What stands before the first link."""
# Any number, the same in every process: on PostgreSQL it makes those who append wait for each other.
APPEND_LOCK = 5_106_101
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Fault:
    """A row that is not as it was appended.

    Attributes:
        table: Its table; ``chain`` for a link itself.
        key: Its primary key, as JSON.
        what: In words.
    """

    table: str
    key: str
    what: str


@dataclass(frozen=True)
class Verification:
    """What checking the whole chain found.

    Attributes:
        links: How many rows are chained.
        head: Hash of the last link.
        adopted: How many of the first rows were written before there was a chain, and are only known as they were then.
        faults: Everything that is wrong; empty for a whole chain.
    """

    links: int
    head: str
    adopted: int
    faults: tuple[Fault, ...]


def chain_table(metadata: sa.MetaData) -> sa.Table:
    """The table of links."""
    text = [
        sa.Column(name, sa.Text, nullable=False)
        for name in ("table_name", "row_key", "row_sha256", "link_sha256")
    ]
    return sa.Table(
        "chain",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        *text,
        sa.Column("adopted", sa.Boolean, nullable=False),
    )


def wait_for_turn(connection: Connection) -> None:
    """Be the only one who appends until the transaction ends; SQLite's writers are alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": APPEND_LOCK})


def append(connection: Connection, chain: sa.Table, table: sa.Table, row: Mapping[str, Any]) -> None:
    """Insert a row and its link; :func:`wait_for_turn` comes first in the transaction."""
    connection.execute(table.insert().values(dict(row)))
    _link(connection, chain, table, row, adopted=False)


def adopt(connection: Connection, chain: sa.Table, tables: Iterable[sa.Table]) -> None:
    """Link rows that were there before the chain, table by table in the order of their keys.

    A chain that has links already is left as it is: rows without a link were slipped in.
    """
    if head(connection, chain)[0]:
        return
    for table in tables:
        for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings().all():
            _link(connection, chain, table, dict(row), adopted=True)


def head(connection: Connection, chain: sa.Table) -> tuple[int, str]:
    """Number and hash of the last link; 0 and zeros of an empty chain."""
    last = connection.execute(sa.select(chain).order_by(chain.c.seq.desc()).limit(1)).first()
    return (last.seq, last.link_sha256) if last else (0, FIRST)


def verify(
    connection: Connection, chain: sa.Table, tables: Iterable[sa.Table], expected_head: str = ""
) -> Verification:
    """Compare every row with its link and every link with the one before.

    Args:
        connection: In a transaction, so that all is of one moment.
        chain: The links.
        tables: All that is chained.
        expected_head: A head that was noted earlier, or how it begins; it has to be among the links.
    """
    tables = [*tables]
    there = set(sa.inspect(connection).get_table_names())
    missing = [table.name for table in (*tables, chain) if table.name not in there]
    links = [] if chain.name in missing else sorted(_raw_rows(connection, chain), key=itemgetter("seq"))
    rows = {
        (table.name, _key(table, row)): row_sha256(row)
        for table in tables
        if table.name not in missing
        for row in _raw_rows(connection, table)
    }
    faults = [Fault(name, "", "the table is missing") for name in missing]
    faults += [*_broken_links(links), *_differing_rows(links, rows)]
    if expected_head and not any(str(link["link_sha256"]).startswith(expected_head) for link in links):
        what = "the head that was noted is not in the chain: rows after it were cut off, or the chain was written anew"
        faults.append(Fault("chain", expected_head, what))
    adopted = sum(bool(link["adopted"]) for link in links)
    return Verification(len(links), str(links[-1]["link_sha256"]) if links else FIRST, adopted, tuple(faults))


def _raw_rows(connection: Connection, table: sa.Table) -> Iterator[Row]:
    """Rows with cells as the database has them: whoever tampers may leave one that its type cannot read."""
    bare = [_bare(column).label(column.name) for column in table.columns]
    readers = [_reader(column, connection.dialect) for column in table.columns]
    for cells in connection.execute(sa.select(*bare).select_from(table)):
        yield {
            column.name: _cell(read, cell)
            for column, read, cell in zip(table.columns, readers, cells, strict=True)
        }


def _is_moment(column: sa.Column[Any]) -> bool:
    return isinstance(getattr(column.type, "impl", column.type), sa.DateTime)


def _bare(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    # As text, since PostgreSQL has moments (infinity) that its driver refuses to hand over.
    return sa.cast(column, sa.Text) if _is_moment(column) else sa.type_coerce(column, sa.types.NullType())


def _reader(column: sa.Column[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    if _is_moment(column):
        return _moment
    return column.type.dialect_impl(dialect).result_processor(dialect, None)


def _moment(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read


def _cell(read: Callable[[Any], Any] | None, raw: Any) -> Any:
    try:
        value = read(raw) if read else raw
    except (ValueError, TypeError, LookupError):
        return f"not readable: {raw!r}"
    return f"bytes: {value!r}" if isinstance(value, bytes) else value


def _broken_links(links: Iterable[Row]) -> Iterable[Fault]:
    before = FIRST
    for place, link in enumerate(links, start=1):
        seq = json.dumps([link["seq"]])
        if link["seq"] != place:
            yield Fault("chain", seq, f"link {place} is missing before it")
            return
        if link["link_sha256"] != _link_sha256(before, link):
            yield Fault("chain", seq, "the link does not follow from the one before it")
            return
        before = link["link_sha256"]


def _differing_rows(links: Iterable[Row], rows: Mapping[tuple[str, str], str]) -> Iterable[Fault]:
    linked: set[tuple[str, str]] = set()
    for link in links:
        name = (link["table_name"], link["row_key"])
        if name in linked:
            yield Fault(*name, "the row has two links")
        elif name not in rows:
            yield Fault(*name, "the row was removed")
        elif rows[name] != link["row_sha256"]:
            yield Fault(*name, "the row was changed after it was written")
        linked.add(name)
    for name in sorted(rows.keys() - linked):
        yield Fault(*name, "the row was slipped in: it has no link")


def row_sha256(row: Mapping[str, Any]) -> str:
    """Hash of all columns of a row, the same on every database."""
    text = json.dumps(
        {str(name): _plain(value) for name, value in row.items()}, sort_keys=True, ensure_ascii=False
    )
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _link(
    connection: Connection, chain: sa.Table, table: sa.Table, row: Mapping[str, Any], adopted: bool
) -> None:
    seq, before = head(connection, chain)
    link = {
        "seq": seq + 1,
        "table_name": table.name,
        "row_key": _key(table, row),
        "row_sha256": row_sha256(row),
        "adopted": adopted,
    }
    connection.execute(chain.insert().values(link | {"link_sha256": _link_sha256(before, link)}))


def _link_sha256(before: str, link: Row) -> str:
    said = [before, *(link[name] for name in ("seq", "table_name", "row_key", "row_sha256"))]
    if link["adopted"] is not False:
        said.append(f"adopted: {link['adopted']}")
    return hashlib.sha256("\n".join(map(str, said)).encode(errors="surrogateescape")).hexdigest()


def _key(table: sa.Table, row: Mapping[str, Any]) -> str:
    return json.dumps([_plain(row[column.name]) for column in table.primary_key])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value
