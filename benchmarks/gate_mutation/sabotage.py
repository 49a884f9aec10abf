"""What a sabotage is, and how one edits the files of a workspace."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import yaml

from benchmarks.gate_mutation.shop import put
from pipelines.ranking.bundle import read_archive, read_json, seal, write_arrays
from pipelines.tables import read_table, write_table

Half = Literal["developed", "unseen"]
Kind = Literal["data", "labels", "features", "training", "packaging"]
BUNDLE = Path("models/candidate")


@dataclass(frozen=True)
class Sabotage:
    """One thing that goes wrong.

    Attributes:
        name: Snake case.
        kind: What it strikes.
        before: The stage it strikes before; what earlier stages made is the honest workspace's.
        half: Whether checks were developed against it.
        act: Carries it out on a workspace.
    """

    name: str
    kind: Kind
    before: str
    half: Half
    act: Callable[[Path], None]

    @property
    def words(self) -> str:
        """What is done, in one sentence."""
        return (self.act.__doc__ or "").strip().splitlines()[0]


def edit_table(file: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a table anew, in its own schema."""
    table = read_table(file)
    write_table(file, change(table).cast(table.schema))


def edit_arrays(file: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write an npz anew."""
    write_arrays(file, change(read_archive(file)))


def edit_params(workspace: Path, key: str, value: Any) -> None:
    """Set one parameter, by dotted key."""
    file = workspace / "params.yaml"
    params = yaml.safe_load(file.read_text())
    put(params, key, value)
    file.write_text(yaml.safe_dump(params, sort_keys=False))


def edit_code(file: Path, old: str, new: str) -> None:
    """Replace a piece of code.

    Raises:
        ValueError: It is not there exactly once.
    """
    text = file.read_text()
    if text.count(old) != 1:
        raise ValueError(
            f"{file}: expected {old!r} once, found it {text.count(old)} times: the sabotage is out of date"
        )
    file.write_text(text.replace(old, new))


def edit_manifest(workspace: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the candidate's manifest and seal it again."""
    bundle = workspace / BUNDLE
    manifest = read_json(bundle / "bundle.json")
    change(manifest)
    seal(bundle, manifest)


def reverse_weights(workspace: Path) -> None:
    """Give the weights of the candidate's blend to its parts in the opposite order, and seal it again."""

    def change(manifest: dict[str, Any]) -> None:
        parts = manifest["blends"]["blend"]
        for part, weight in zip(parts, [part["weight"] for part in reversed(parts)], strict=True):
            part["weight"] = weight

    edit_manifest(workspace, change)


def events_file(workspace: Path) -> Path:
    """The only file of landed events."""
    (file,) = (workspace / "data/inputs/events").glob("*.parquet")
    return file


def draw() -> np.random.Generator:
    """The same numbers each time."""
    return np.random.default_rng(7)
