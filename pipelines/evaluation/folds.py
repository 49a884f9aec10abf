"""The two folds of a decision, as the stages after ``split_weeks`` find them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.tables import read_json, write_json

FOLDS = ("validation", "holdout")
BUILT_FOR = "built_for.json"


@dataclass(frozen=True)
class Moment:
    """When a fold's knowledge ends.

    Attributes:
        week: The shop week that begins then, whose baskets are to be foretold.
        at_us: Microseconds since the epoch (UTC).
        history_from: First shop week that is learned from.
        targets_sha256: Content hash of what was bought in the week.
    """

    week: int
    at_us: int
    history_from: int
    targets_sha256: str


def read_folds(path: Path = Path("data/split/split.json")) -> dict[str, Moment]:
    """The moments of both folds, from ``split.json``."""
    described = read_json(path)
    return {fold: _moment(described[fold]) for fold in FOLDS}


def write_built_for(features: Path, moment: Moment) -> None:
    """State beside a fold's features which moment they were built for."""
    write_json(features / BUILT_FOR, {"week": moment.week, "at_us": moment.at_us})


def read_built_for(features: Path) -> int:
    """The shop week that a fold's features were built for; 0 where they do not say."""
    file = features / BUILT_FOR
    return int(read_json(file)["week"]) if file.is_file() else 0


def _moment(fold: dict[str, Any]) -> Moment:
    return Moment(fold["week"], fold["at_us"], fold["history_from_week"], fold["targets_sha256"])
