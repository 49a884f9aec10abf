"""Versions of the contracts: what each was, and how rows accepted under an older one are read.

    recorded/<data set>.json                        every version, frozen when it was declared
    migrations/<data set>_<from>_to_<to>.sql        what makes rows of the next version where that is not evident

A new version is written down by ``python -m pipelines.contracts.versions``; a column that was added and may be
empty needs no more than that, anything that rows depend on needs a migration.
"""

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import STAMP_VERSION, conform, schema
from pipelines.contracts.declaration import Contract, ContractError
from pipelines.contracts.migrating import migrated, skeleton, widened
from pipelines.contracts.shapes import Change, Shape, changes
from pipelines.tables import StorageError, read_json, read_table, write_json


@dataclass(frozen=True)
class History:
    """The recorded versions and the migrations, in one folder."""

    folder: Path

    def shapes(self, name: str) -> dict[int, Shape]:
        """Recorded versions of a data set by number, oldest first."""
        path = self.record(name)
        said = read_json(path) if path.is_file() else []
        return {shape.version: shape for shape in map(Shape.read, said)}

    def record(self, name: str) -> Path:
        """Where the versions of a data set are written down."""
        return self.folder / "recorded" / f"{name}.json"

    def migration(self, name: str, version: int) -> Path:
        """Where the query is that makes rows of the version after ``version``."""
        return self.folder / "migrations" / f"{name}_{version}_to_{version + 1}.sql"


HISTORY = History(Path(__file__).parent)


def check_recorded(contract: Contract, history: History = HISTORY) -> None:
    """Compare a declaration with its last record.

    Raises:
        ContractError: It was changed without a new version, or its version is not recorded.
    """
    last = _last(contract, history)
    declared = Shape.of(contract)
    if last is not None and last.version == declared.version:
        if found := changes(last, declared):
            raise ContractError(
                f"{contract.name}: expected the columns recorded for version {last.version}, found: "
                f"{_listed(found)}; set `version={last.version + 1}` in pipelines/contracts/{contract.name}.py "
                "and run `python -m pipelines.contracts.versions`"
            )
    else:
        raise ContractError(
            f"{contract.name}: expected version {last.version if last else 'none'}, the last one recorded, found "
            f"version {declared.version}; run `python -m pipelines.contracts.versions`"
        )


def record_version(contract: Contract, history: History = HISTORY) -> bool:
    """Write a new version down.

    Returns:
        Whether there was one.

    Raises:
        ContractError: The declaration changed under the same number, the number is not the next, or the change
            needs a migration that is not there; the message gives a skeleton of it.
    """
    last, declared = _last(contract, history), Shape.of(contract)
    if last is not None and last.version == declared.version:
        check_recorded(contract, history)
        return False
    expected = last.version + 1 if last else 1
    if declared.version != expected:
        raise ContractError(
            f"{contract.name}: expected version {expected}, the one after those in {history.record(contract.name)},"
            f" found {declared.version}; correct `version` in pipelines/contracts/{contract.name}.py"
        )
    if last is not None:
        _require_step(contract.name, last, declared, history)
    shapes = [*history.shapes(contract.name).values(), declared]
    write_json(history.record(contract.name), [shape.record() for shape in shapes])
    return True


def read_accepted(path: Path, contract: Contract, history: History = HISTORY) -> pa.Table:
    """Read a file of accepted rows, whatever version it was accepted under, in the contract's schema.

    Raises:
        ContractError: Its version is newer than this code, or a migration is missing or wrong.
        StorageError: The file cannot be read.
    """
    table = read_table(path)
    return conform(
        upgrade(table, contract, version_of(table.schema, contract, history), history), contract, str(path)
    )


def matching(files: list[Path], contract: Contract, keys: pa.Table, history: History = HISTORY) -> pa.Table:
    """Accepted rows that have one of ``keys`` in the column of that name, whatever version a file was accepted under.

    Args:
        files: Of accepted rows.
        contract: Their contract; the result is in its schema.
        keys: One column of the contract; a file without it has no such row.
        history: Recorded versions and migrations.
    """
    (column,) = keys.column_names
    by_version: dict[int, list[str]] = {}
    for path in files:
        within = _schema_in(path)
        if column in within.names:
            by_version.setdefault(version_of(within, contract, history), []).append(str(path))
    found = [schema(contract).empty_table()]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("wanted", keys)
        query = f"FROM read_parquet($files, union_by_name = true) SEMI JOIN wanted USING ({column})"
        for version, paths in sorted(by_version.items()):
            rows = connection.sql(query, params={"files": paths}).to_arrow_table()
            upgraded = upgrade(rows, contract, version, history)
            found.append(conform(upgraded, contract, f"accepted {contract.name}"))
    return pa.concat_tables(found)


def version_of(found: pa.Schema, contract: Contract, history: History = HISTORY) -> int:
    """The version that a table was accepted under.

    Files from before versions carry none: theirs is the newest recorded version of just their columns, else 1.
    """
    stamp = (found.metadata or {}).get(STAMP_VERSION.encode())
    if stamp is not None:
        return int(stamp)
    fitting = [
        version
        for version, shape in history.shapes(contract.name).items()
        if set(shape.by_name()) == set(found.names)
    ]
    return max(fitting, default=1)


def upgrade(table: pa.Table, contract: Contract, from_version: int, history: History = HISTORY) -> pa.Table:
    """Rows of version ``from_version`` as rows of the declared version, as many and in the same order.

    Raises:
        ContractError: ``from_version`` is newer than this code, or a migration is missing or wrong.
    """
    shapes = _steps(contract, from_version, history)
    for older, newer in pairwise(shapes):
        path = _require_step(contract.name, older, newer, history)
        table = migrated(table, path) if path else widened(table, newer)
    return table.replace_schema_metadata(schema(contract).metadata)


def check_versions(accepted: Path, history: History = HISTORY) -> dict[str, dict[int, int]]:
    """Check that everything in a landing store's folder ``accepted`` can be read by this code; reads no row.

    Returns:
        Files per version, by data set.

    Raises:
        ContractError: A file is of a newer version, or a migration from its version is missing.
        StorageError: A file cannot be read.
    """
    found: dict[str, dict[int, int]] = {}
    for name, contract in CONTRACTS.items():
        single = accepted / f"{name}.parquet"
        for path in ([single] if single.is_file() else []) + sorted((accepted / name).glob("[!.]*.parquet")):
            version = version_of(_schema_in(path), contract, history)
            if version not in found.setdefault(name, {}):
                _check_steps(contract, version, path, history)
            found[name][version] = found[name].get(version, 0) + 1
    return found


def _check_steps(contract: Contract, version: int, path: Path, history: History) -> None:
    try:
        shapes = _steps(contract, version, history)
        for older, newer in pairwise(shapes):
            _require_step(contract.name, older, newer, history)
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from None


def _schema_in(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{path}: expected a readable Parquet file, found {error}; restore it from a backup"
        ) from error


def _last(contract: Contract, history: History) -> Shape | None:
    shapes = history.shapes(contract.name)
    return shapes[max(shapes)] if shapes else None


def _steps(contract: Contract, from_version: int, history: History) -> list[Shape]:
    """Shapes from ``from_version`` to the declared one, both included."""
    if from_version > contract.version:
        raise ContractError(
            f"{contract.name}: expected rows of version {contract.version} or older, found version {from_version}: a "
            "newer shoploop accepted them; update this one"
        )
    shapes = {**history.shapes(contract.name), contract.version: Shape.of(contract)}
    return [shapes[version] for version in range(from_version, contract.version + 1)]


def _require_step(name: str, older: Shape, newer: Shape, history: History) -> Path | None:
    """The migration of one step, None where it needs none."""
    path = history.migration(name, older.version)
    if path.is_file():
        return path
    found = changes(older, newer)
    breaking = [change for change in found if change.breaks]
    if breaking or not found:
        raise ContractError(
            f"{name}: version {newer.version} cannot be read from rows of version {older.version}: "
            f"{_listed(breaking) or 'no column changed'}; write the migration {path}, a DuckDB query over the table "
            f"`accepted` that gives every column of version {newer.version}, for example:\n\n"
            f"{skeleton(name, older, newer)}"
        )
    return None


def _listed(found: list[Change]) -> str:
    return "; ".join(change.words for change in found)


def main() -> None:
    """Record every new version; exit code 2 where one cannot be."""
    try:
        written = [name for name, contract in CONTRACTS.items() if record_version(contract)]
    except ContractError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(f"recorded {', '.join(written)}" if written else "every version is recorded")


if __name__ == "__main__":
    main()
