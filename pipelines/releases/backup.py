"""The whole ledger as one file of JSON lines, the same for every database, and the way back from it."""

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipelines.releases import chain, schema
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LedgerError

KIND = "shoploop ledger"
KEPT = (*schema.CHAINED, schema.chain)


def back_up(ledger: Ledger, file: Path) -> chain.Verification:
    """Write every row of one moment to ``file``, gzipped; others may append meanwhile.

    Raises:
        LedgerError: The ledger does not verify: a backup of it would look like a good one. Or the file cannot be
            written.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with ledger.snapshot() as connection:
            found = chain.verify(connection, schema.chain, schema.CHAINED)
            if found.faults:
                raise LedgerError(
                    "the ledger does not verify: see `shoploop releases verify`; nothing was written"
                )
            with gzip.open(partial, "wt", encoding="utf-8") as out:
                for line in _lines(connection, found):
                    out.write(json.dumps(line, ensure_ascii=False) + "\n")
        partial.replace(file)
    except OSError as error:
        raise LedgerError(f"{file}: cannot be written ({error}); choose another place") from error
    finally:
        partial.unlink(missing_ok=True)
    return found


def restore(ledger: Ledger, file: Path) -> chain.Verification:
    """Fill an empty ledger from a backup, whole or not at all.

    Raises:
        LedgerError: The ledger has rows already; or the file is none of ours, is cut off, was changed, or is of another
            version.
    """
    try:
        with gzip.open(file, "rt", encoding="utf-8") as content:
            lines = [json.loads(line) for line in content]
        first, rows = lines[0], lines[1:]
        if first["kind"] != KIND:
            raise ValueError(first["kind"])
    except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
        raise LedgerError(f"{file}: is no whole backup of a ledger ({error}); take another one") from error
    if first["version"] != schema.VERSION:
        raise LedgerError(
            f"{file}: has tables of version {first['version']}, this shoploop has {schema.VERSION}: restore it with "
            "the shoploop that wrote it, then update"
        )
    with ledger.appending() as connection:
        if chain.head(connection, schema.chain)[0]:
            raise LedgerError("the ledger has rows already: restore into an empty one (SHOPLOOP_LEDGER_URL)")
        _insert(connection, rows, file)
        found = chain.verify(connection, schema.chain, schema.CHAINED, first["head"])
        if found.faults:
            fault = found.faults[0]
            raise LedgerError(
                f"{file}: was changed: {fault.table} {fault.key}: {fault.what}; nothing was restored"
            )
    return found


def _lines(connection: Connection, found: chain.Verification) -> Iterator[dict[str, Any]]:
    yield {"kind": KIND, "version": schema.VERSION, "head": found.head, "links": found.links}
    for table in KEPT:
        for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings():
            yield {"table": table.name, "row": {name: _plain(value) for name, value in row.items()}}


def _insert(connection: Connection, rows: list[Mapping[str, Any]], file: Path) -> None:
    tables = {table.name: table for table in KEPT}
    try:
        for line in rows:
            table = tables[line["table"]]
            values = {name: _value(table.columns[name], value) for name, value in line["row"].items()}
            connection.execute(table.insert().values(values))
    except (LookupError, ValueError, TypeError, sa.exc.SQLAlchemyError) as error:
        why = str(error).splitlines()[0]
        raise LedgerError(f"{file}: has a row that does not fit ({why}); nothing was restored") from error


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _value(column: sa.Column[Any], value: Any) -> Any:
    if isinstance(column.type, schema.UtcDateTime) and value is not None:
        return datetime.fromisoformat(value)
    return value
