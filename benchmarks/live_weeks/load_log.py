"""The log of the load: a line of JSON a request, and one that says how many were sent."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.next_basket.inputs import DataError

ASK, BUY, END = "ask", "buy", "end"
OK = 200
WINDOW_SECONDS = 10


@dataclass(frozen=True)
class Sent:
    """One request.

    Attributes:
        at: When it was due, seconds since the epoch.
        kind: ``ask`` for recommendations, ``buy`` for a purchase that was posted.
        status: Of the answer; 0 when none came.
        seconds: From when it was due to its answer or its failure.
        release: That answered.
        variant: As the answer says.
        error: Why it failed, else ``""``.
    """

    at: float
    kind: str
    status: int
    seconds: float
    release: str = ""
    variant: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether it got no good answer."""
        return self.status != OK or bool(self.error)

    def line(self) -> str:
        """As it stands in the log."""
        return json.dumps(asdict(self)) + "\n"


@dataclass(frozen=True)
class LoadLog:
    """All requests, by the time they were due, and how many the sender says it sent: None when it was killed."""

    requests: tuple[Sent, ...]
    sent: int | None

    @property
    def failures(self) -> tuple[Sent, ...]:
        """The requests that failed."""
        return tuple(one for one in self.requests if one.failed)

    @property
    def is_whole(self) -> bool:
        """Whether no request is missing."""
        return self.sent == len(self.requests)


@dataclass(frozen=True)
class Window:
    """Ten seconds of the load; quantiles in milliseconds, None without any answer."""

    at: float
    requests: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None


def end_line(sent: int) -> str:
    """The last line."""
    return json.dumps({"kind": END, "sent": sent}) + "\n"


def read_log(file: Path) -> LoadLog:
    """Read a log.

    Raises:
        DataError: It is missing, or a line of it is none.
    """
    if not file.is_file():
        raise DataError(f"{file.name}: the load wrote no log; load.err beside it may say why")
    found: list[Sent] = []
    sent: int | None = None
    for number, text in enumerate(file.read_text().splitlines(), start=1):
        try:
            row = json.loads(text)
            if row["kind"] == END:
                sent = int(row["sent"])
            else:
                found.append(Sent(**row))
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{file.name} line {number}: expected a request, found {text[:80]!r}") from error
    return LoadLog(tuple(sorted(found, key=lambda one: one.at)), sent)


def windows(requests: Sequence[Sent]) -> list[Window]:
    """The load in steps of ten seconds from its first request on; steps without a request are left out."""
    if not requests:
        return []
    start = min(one.at for one in requests)
    parts: dict[int, list[Sent]] = {}
    for one in requests:
        parts.setdefault(int((one.at - start) // WINDOW_SECONDS), []).append(one)
    return [_window(start + number * WINDOW_SECONDS, part) for number, part in sorted(parts.items())]


def _window(at: float, part: Sequence[Sent]) -> Window:
    answered = [one.seconds for one in part if not one.failed]
    failed = len(part) - len(answered)
    return Window(at, len(part), failed, quantile_ms(answered, 50), quantile_ms(answered, 99))


def quantile_ms(seconds: Sequence[float], percent: int) -> float | None:
    """The value that at least ``percent`` in a hundred are not above, in milliseconds; None of nothing."""
    ordered = sorted(seconds)
    # Rank by ceiling, in whole numbers.
    return round(1000 * ordered[max(-(-len(ordered) * percent // 100), 1) - 1], 3) if ordered else None
