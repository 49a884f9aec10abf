"""The one shop clock. Standard library only: whatever needs the shop's *now* can afford to import it.

In production the shop's time is real time. In replay it is the end of the last landed week, and runs on from
there. It never goes back: when it has run past the end of the week that lands next, it goes on from where it is.
The record is a small file, so every process reads the same clock.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal


class ClockError(Exception):
    """The recorded clock cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class ClockRecord:
    """What is recorded.

    Attributes:
        mode: ``replay`` or ``production``.
        base: Shop time when the clock was last set, ISO 8601 in UTC.
        anchored_at: Real time at that moment, ISO 8601 in UTC.
        week: Last landed complete week; 0 before any.
    """

    mode: Literal["replay", "production"]
    base: str
    anchored_at: str
    week: int


def real_time() -> datetime:
    """The system's clock: the only place that reads it for shop time."""
    return datetime.now(UTC)


class ShopClock:
    """The clock recorded in one file; without a record it is real time and no week has landed."""

    def __init__(self, path: Path, wall: Callable[[], datetime] = real_time) -> None:
        self._path = path
        self._wall = wall

    def record(self) -> ClockRecord | None:
        """What is recorded, None when nothing is.

        Raises:
            ClockError: The file is there but cannot be read.
        """
        try:
            return ClockRecord(**json.loads(self._path.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise ClockError(
                f"{self._path}: not a shop clock ({error}); delete it and run `shoploop land`, which writes "
                "it anew"
            ) from error

    @property
    def week(self) -> int:
        """Last landed complete week, 0 before any."""
        record = self.record()
        return record.week if record else 0

    def now(self) -> datetime:
        """The shop's present, in UTC."""
        return _shop_time(self.record(), self._wall())

    def advance(self, week: int, base: datetime, mode: Literal["replay", "production"] = "replay") -> bool:
        """Record that ``week`` has landed and that shop time is now at least ``base``.

        An older week changes nothing, and time never goes back: what was posted before the landing must not lie
        in the future of what lands next.

        Returns:
            Whether the record changed.
        """
        record = self.record()
        if record is not None and record.week >= week:
            return False
        # Read once: a moment between two readings would be counted by the old record and not by the new one.
        wall = self._wall()
        moment = base if record is None else max(base, _shop_time(record, wall))
        self._write(ClockRecord(mode, moment.isoformat(), wall.isoformat(), week))
        return True

    def _write(self, record: ClockRecord) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        partial.write_text(json.dumps(asdict(record), sort_keys=True) + "\n")
        partial.replace(self._path)


def _shop_time(record: ClockRecord | None, wall: datetime) -> datetime:
    if record is None or record.mode == "production":
        return wall
    base = datetime.fromisoformat(record.base)
    return max(base, base + (wall - datetime.fromisoformat(record.anchored_at)))
