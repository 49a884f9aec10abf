"""The SQL views of this room: their files and what the headers say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

FOLDER = Path(__file__).parent


class FeatureError(Exception):
    """A view cannot be built; the message names the file and the remedy."""


@dataclass(frozen=True)
class View:
    """One feature file.

    Attributes:
        name: Name of the view and of its file.
        key: Columns that identify a row; the output is sorted by them.
        sql: The statement.
        meaning: What a row is, the lines above the key.
        windows: How far back it looks.
        columns: Meaning and unit of each output column, in the header's order.
        notes: What else the header says.
        incremental: Column by which a part of the view may be built alone, see pipelines/features/incremental.py;
            empty for none.
    """

    name: str
    key: tuple[str, ...]
    sql: str
    meaning: str = ""
    windows: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""
    incremental: str = ""


def read_view(name: str, folder: Path = FOLDER) -> View:
    """Read one view.

    Only the key is needed to build it. That nothing else is missing is for the catalog to see: a bundle may
    carry a view from before there were such headers.

    Raises:
        FeatureError: There is no such file, or its header names no key.
    """
    path = folder / f"{name}.sql"
    if not path.is_file():
        found = ", ".join(sorted(file.stem for file in folder.glob("*.sql")))
        raise FeatureError(
            f"{path} is missing, but build_features.views in params.yaml names it; found: {found}"
        )
    sql = path.read_text()
    header = _read_header(sql)
    if not header["key"]:
        raise FeatureError(
            f"{path}: the header has no line `-- key: column, column`; add it below the first line"
        )
    columns = dict(line.split(": ", 1) for line in header["column"])
    key = tuple(column.strip() for column in header["key"][0].split(","))
    meaning, windows, notes = (" ".join(header[part]) for part in ("meaning", "windows", "notes"))
    return View(name, key, sql, meaning, windows, columns, notes, "".join(header["incremental"]))


def _read_header(sql: str) -> dict[str, list[str]]:
    """The comment lines before the statement by what they say; untagged ones after the key are notes."""
    header: dict[str, list[str]] = {
        part: [] for part in ("meaning", "key", "windows", "incremental", "column", "notes")
    }
    for line in takewhile(lambda line: line.startswith("--"), sql.splitlines()):
        text = line.removeprefix("--").strip()
        tag = re.match(r"(key|windows|incremental|column)(?:: ?| (?=\w+: ))(.+)", text)
        if tag is not None:
            header[tag[1]].append(tag[2])
        else:
            header["notes" if header["key"] else "meaning"].append(text)
    return header
