"""The features of the shop as a person looks them up: what each means, what it is made of, what it says."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from pipelines.features.lineage import MOMENT, Lineage, beyond_reach, output_of, reach_fault, reads_of
from pipelines.features.views import FOLDER, FeatureError, View, read_view

BUILT = Path("data/features/holdout")


class UnknownFeatureError(FeatureError):
    """No view has this name; the message names the nearest."""


@dataclass(frozen=True)
class Feature:
    """A view with what it reads.

    Attributes:
        view: Its file.
        reads: Tables and views that it reads.
        lineage: Contract columns behind each of its columns, as :class:`Lineage` writes them.
    """

    view: View
    reads: tuple[str, ...]
    lineage: Mapping[str, tuple[str, ...]]

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        columns = [
            {"name": name, "meaning": self.view.columns.get(name, ""), "from": list(origins)}
            for name, origins in self.lineage.items()
        ]
        return summary_of(self.view) | {
            "notes": self.view.notes,
            "reads": list(self.reads),
            "columns": columns,
            "sql": self.view.sql,
        }


class Catalog:
    """The views that ``build_features.views`` in ``params.yaml`` names."""

    def __init__(self, names: Iterable[str], folder: Path = FOLDER) -> None:
        self.views = {name: read_view(name, folder) for name in names}
        self._lineage = Lineage(self.views)

    def view(self, name: str) -> View:
        """One view.

        Raises:
            UnknownFeatureError: There is none of this name.
        """
        if name not in self.views:
            near = difflib.get_close_matches(name, self.views, n=3, cutoff=0.5)
            found = f"the nearest: {', '.join(near)}" if near else f"there are: {', '.join(self.views)}"
            raise UnknownFeatureError(
                f"build_features.views in params.yaml names no view {name!r}; {found}; "
                "`shoploop features list` says what each means"
            )
        return self.views[name]

    def feature(self, name: str) -> Feature:
        """One view with its lineage.

        Raises:
            UnknownFeatureError: There is none of this name.
            FeatureError: Its SQL cannot be resolved.
        """
        view = self.view(name)
        return Feature(view, reads_of(view), self._lineage.of(name))

    def faults(self, name: str) -> list[str]:
        """What is wrong with a view: its header, and what it reads beyond its reach.

        Raises:
            UnknownFeatureError: There is none of this name.
            FeatureError: Its SQL cannot be parsed.
        """
        view = self.view(name)
        before = list(self.views)[: list(self.views).index(name)]
        return [*faults_of(view), *map(reach_fault, beyond_reach(view, before))]


def summary_of(view: View) -> dict[str, Any]:
    """What ``shoploop features list`` says of a view."""
    return {
        "name": view.name,
        "meaning": view.meaning,
        "key": list(view.key),
        "windows": view.windows,
        "columns": list(output_of(view)),
    }


def faults_of(view: View) -> list[str]:
    """What the header of a view leaves out or says wrongly; empty when it is whole."""
    output = output_of(view)
    missing = [name for name in output if not view.columns.get(name)]
    gone = [name for name in view.columns if name not in output]
    return [
        *(["say above `-- key:` what a row is"] if not view.meaning else []),
        *(
            ["say how far back it looks: add a line `-- windows: …` below the key"]
            if not view.windows
            else []
        ),
        *(f"add a line `-- column {name}: meaning, unit`" for name in missing),
        *(f"remove the line of column {name}, which the SELECT does not give" for name in gone),
        *(f"the key column {name} is not in the SELECT" for name in view.key if name not in output),
    ]


def statement_of(view: View) -> str:
    """The SQL of a view below its header."""
    lines = dropwhile(lambda line: line.startswith("--"), view.sql.splitlines())
    return "\n".join(lines)


def find_built(checkout: Path, workspaces: Path, name: str) -> Path:
    """The file of a view's last built rows: of the checkout, else of the newest run's workspace.

    Raises:
        FeatureError: It was built nowhere.
    """
    runs = [run / BUILT for run in workspaces.glob("*") if (run / BUILT).is_dir()]
    newest = sorted(runs, key=lambda folder: folder.stat().st_mtime, reverse=True)
    folders = [folder for folder in (checkout / BUILT, *newest) if folder.is_dir()]
    if not folders:
        raise FeatureError(
            f"no features are built: neither {checkout / BUILT} nor a run in {workspaces} has any; "
            "`shoploop run` or `make repro` builds them"
        )
    path = folders[0] / f"{name}.parquet"
    if not path.is_file():
        raise FeatureError(
            f"{path} is missing: {name} was not built there yet; `shoploop run` or `make repro` builds it"
        )
    return path


def sample(path: Path, wanted: Mapping[str, str], rows: int) -> list[dict[str, Any]]:
    """The first rows of a built view, in the order of its key.

    Args:
        path: What :func:`find_built` found.
        wanted: Values that columns have to have.
        rows: At most how many.

    Raises:
        FeatureError: The view has no such column.
    """
    built = ds.dataset(path)
    kept = None
    for column, value in wanted.items():
        if column not in built.schema.names:
            raise FeatureError(
                f"{path.stem} has no column {column}, by which to choose; it has: "
                f"{', '.join(built.schema.names)}"
            )
        chosen = ds.field(column) == value
        kept = chosen if kept is None else kept & chosen
    found: list[dict[str, Any]] = built.head(rows, filter=kept).to_pylist()
    return found


def words_for(origins: Iterable[str]) -> str:
    """What a column is made of, for a person."""
    counted = [f"rows of {origin.removesuffix('.*')}" for origin in origins if origin.endswith(".*")]
    moment = ["the moment"] if MOMENT in origins else []
    named = [origin for origin in origins if origin != MOMENT and not origin.endswith(".*")]
    return ", ".join([*counted, *named, *moment]) or "nothing that was landed"
