"""What the mapping's language lacks, done once beforehand: joins, lists, and dates that are told relative to others.

A data set that needs it has a module with ``prepare(connection, raw, into)``: it reads the published files, which are
in ``raw / ROLE``, and writes Parquet files into ``into``. DuckDB does it, in bounded memory, spilling to the disk.
"""

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import duckdb

from pipelines.sources.errors import SourceError

MEMORY = "1GB"
LONGEST_OBJECT = 1 << 26  # bytes


def module_of(name: str) -> ModuleType:
    """The module of a preset's ``prepare``."""
    return import_module(f"pipelines.sources.published.{name}")


def code_of(name: str | None) -> str:
    """What a preparation is made by; when it changes, what was prepared is made anew."""
    return inspect.getsource(module_of(name)) if name else ""


def prepare(name: str, folder: Path) -> None:
    """Write the prepared files of a data set beside its published ones.

    Raises:
        SourceError: The published files are not what they were when the preparation was written.
    """
    spill = folder / ".spill"
    settings = {"memory_limit": MEMORY, "temp_directory": str(spill), "preserve_insertion_order": "false"}
    try:
        with duckdb.connect(config=settings) as connection:
            connection.execute("set TimeZone = 'UTC'")
            module_of(name).prepare(connection, folder, folder)
    except duckdb.Error as error:
        said = " ".join(str(error).split())[:600]
        raise SourceError(
            f"{folder}: the published files of {name} are not as expected: {said}; get them again, or describe "
            "them as a source of kind files"
        ) from error


def text_of(folder: Path, delimiter: str = ",", missing: str = "") -> str:
    """SQL of the rows of all CSV files in a folder, every cell as text."""
    return (
        f"read_csv({_files(folder)}, header = true, all_varchar = true, delim = {_quoted(delimiter)}, "
        f"nullstr = ['', {_quoted(missing)}], union_by_name = true, quote = '\"', escape = '\"')"
    )


def json_of(folder: Path, columns: Mapping[str, str]) -> str:
    """SQL of the objects of all JSON-lines files in a folder, of each only ``columns``, by their SQL types."""
    types = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in columns.items())
    return (
        f"read_json({_files(folder)}, format = 'newline_delimited', columns = {{{types}}}, "
        f"maximum_object_size = {LONGEST_OBJECT})"
    )


def write(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    """Write the rows of a query as Parquet, as they come."""
    connection.execute(f"copy ({query}) to {_quoted(str(target))} (format parquet, compression zstd)")


def _files(folder: Path) -> str:
    return f"[{', '.join(_quoted(str(path)) for path in sorted(folder.iterdir()))}]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
