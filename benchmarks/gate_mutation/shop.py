"""A share of Complete Journey's households, and what the thresholds that depend on size become with it."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from pipelines.sources.complete_journey import CompleteJourney
from pipelines.weeks import ShopCalendar

SCALED = ("decide_promotion.minimum_households", "decide_promotion.slices.minimum_households")


class HouseholdShare(CompleteJourney):
    """The same shop with fewer households; who is in it depends on the household alone.

    Args:
        calendar: The shop's weeks.
        tables: Folder of its tables.
        share: Part of the households, above 0, at most 1.
    """

    def __init__(self, calendar: ShopCalendar, tables: Path, share: float) -> None:
        super().__init__(calendar, tables)
        self._share = share

    def read_weeks(self, first: int, last: int) -> dict[str, pa.Table]:
        """Tables by contract, as the whole shop gives them, of these households."""
        return {name: self._of_share(table) for name, table in super().read_weeks(first, last).items()}

    def _of_share(self, table: pa.Table) -> pa.Table:
        if "user_id" not in table.column_names:
            return table
        users = pc.unique(table["user_id"].drop_null()).to_pylist()
        kept = [user for user in users if is_kept(user, self._share)]
        return table.filter(pc.is_in(table["user_id"], pa.array(kept, table["user_id"].type)))


def is_kept(user_id: str, share: float) -> bool:
    """Whether a household is in the share."""
    place = int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:8], "big")
    return place < share * 2**64


@dataclass(frozen=True)
class Trial:
    """What a run of the benchmark is made with.

    Attributes:
        week: The decision week of the sabotages.
        share: Part of the households.
        overrides: Other parameters, by dotted key.
    """

    week: int
    share: float
    overrides: Mapping[str, Any] = field(default_factory=dict)


def scaled(file: Path, trial: Trial) -> dict[str, Any]:
    """What differs from ``params.yaml``, by dotted key: thresholds that depend on the size, and the overrides."""
    params = yaml.safe_load(file.read_text())
    smaller = {key: max(math.ceil(_get(params, key) * trial.share), 2) for key in SCALED}
    return smaller | dict(trial.overrides)


def write_params(file: Path, trial: Trial) -> None:
    """Change ``params.yaml``."""
    params = yaml.safe_load(file.read_text())
    for key, value in scaled(file, trial).items():
        put(params, key, value)
    file.write_text(yaml.safe_dump(params, sort_keys=False))


def put(params: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key."""
    *path, last = key.split(".")
    for name in path:
        params = params[name]
    params[last] = value


def _get(params: dict[str, Any], key: str) -> Any:
    for name in key.split("."):
        params = params[name]
    return params
