"""The SQL views of this room: their files and what the headers say."""

import re
from dataclasses import dataclass
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
    """

    name: str
    key: tuple[str, ...]
    sql: str


def read_view(name: str, folder: Path = FOLDER) -> View:
    """Read one view.

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
    key = re.search(r"^-- key: (.+)$", sql, re.MULTILINE)
    if key is None:
        raise FeatureError(
            f"{path}: the header has no line `-- key: column, column`; add it below the first line"
        )
    return View(name, tuple(column.strip() for column in key[1].split(",")), sql)
