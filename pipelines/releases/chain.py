"""A hash chain over the rows of the ledger: whoever changes, removes or slips in a row breaks it.

Each appended row gets a link, written in the same transaction: the hash of the row and of the link before. The last
link is the *head*. Whoever can write the database and recomputes every link after a change leaves a whole chain with
another head, so a head that was noted elsewhere (a task's log, a ticket) is what proves that nothing before it was
touched.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

FIRST = "0" * 64
"""What stands before the first link."""
# Any number, the same in every process: on PostgreSQL it makes those who append wait for each other.
APPEND_LOCK = 5_106_101


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
    """Link rows that were there before the chain, table by table in the order of their keys."""
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
    links = connection.execute(sa.select(chain).order_by(chain.c.seq)).all()
    rows = {
        (table.name, _key(table, dict(row))): row_sha256(dict(row))
        for table in tables
        for row in connection.execute(sa.select(table)).mappings()
    }
    faults = [*_broken_links(links), *_differing_rows(links, rows)]
    if expected_head and not any(link.link_sha256.startswith(expected_head) for link in links):
        what = "the head that was noted is not in the chain: rows after it were cut off, or the chain was written anew"
        faults.append(Fault("chain", expected_head, what))
    adopted = sum(bool(link.adopted) for link in links)
    return Verification(len(links), links[-1].link_sha256 if links else FIRST, adopted, tuple(faults))


def _broken_links(links: Iterable[sa.Row[Any]]) -> Iterable[Fault]:
    before = FIRST
    for place, link in enumerate(links, start=1):
        if link.seq != place:
            yield Fault("chain", json.dumps([link.seq]), f"link {place} is missing before it")
            return
        if link.link_sha256 != _link_sha256(before, link.seq, link.table_name, link.row_key, link.row_sha256):
            yield Fault("chain", json.dumps([link.seq]), "the link does not follow from the one before it")
            return
        before = link.link_sha256


def _differing_rows(links: Iterable[sa.Row[Any]], rows: Mapping[tuple[str, str], str]) -> Iterable[Fault]:
    linked: set[tuple[str, str]] = set()
    for link in links:
        name = (link.table_name, link.row_key)
        if name in linked:
            yield Fault(*name, "the row has two links")
        elif name not in rows:
            yield Fault(*name, "the row was removed")
        elif rows[name] != link.row_sha256:
            yield Fault(*name, "the row was changed after it was written")
        linked.add(name)
    for name in sorted(rows.keys() - linked):
        yield Fault(*name, "the row was slipped in: it has no link")


def row_sha256(row: Mapping[str, Any]) -> str:
    """Hash of all columns of a row, the same on every database."""
    text = json.dumps(
        {str(name): _plain(value) for name, value in row.items()}, sort_keys=True, ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _link(
    connection: Connection, chain: sa.Table, table: sa.Table, row: Mapping[str, Any], adopted: bool
) -> None:
    seq, before = head(connection, chain)
    link = {"table_name": table.name, "row_key": _key(table, row), "row_sha256": row_sha256(row)}
    link_sha256 = _link_sha256(before, seq + 1, *link.values())
    connection.execute(chain.insert().values(seq=seq + 1, **link, link_sha256=link_sha256, adopted=adopted))


def _link_sha256(before: str, seq: int, table: str, key: str, row: str) -> str:
    return hashlib.sha256("\n".join((before, str(seq), table, key, row)).encode()).hexdigest()


def _key(table: sa.Table, row: Mapping[str, Any]) -> str:
    return json.dumps([_plain(row[column.name]) for column in table.primary_key])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value
