"""The `shop:` block of params.yaml that fits a source."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from pipelines.sources.declaration import SourceDeclaration

FEWEST_WEEKS = 3  # fewer cannot be split into history, validation and holdout
SILENCE_WEEKS = 8
STRAY_SHARE = 0.001


@dataclass(frozen=True)
class ShopProposal:
    """What ``shoploop source use`` writes.

    Attributes:
        source: Name of the source.
        timezone: Its time zone.
        first_week: The Monday of the first events.
        complete_weeks: The last complete week.
        stray_events: Events long before all others, which do not count for ``first_week``.
    """

    source: str
    timezone: str
    first_week: date
    complete_weeks: int
    stray_events: int


def propose_shop(source: SourceDeclaration, weeks: Mapping[date, int], last: datetime) -> ShopProposal:
    """The block for a source with these events.

    Args:
        source: Its declaration.
        weeks: Accepted events by the Monday of their week, at least one.
        last: The newest event.
    """
    first, stray = _first_week(weeks)
    after = (
        source.complete_until + timedelta(days=1)
        if source.complete_until
        else last.astimezone(source.zone).date()
    )
    complete = (after - first).days // 7
    return ShopProposal(source.name, source.timezone, first, complete, stray)


def _first_week(weeks: Mapping[date, int]) -> tuple[date, int]:
    """The first week, passing over stray events (placeholder dates) that a long silence parts from the rest."""
    mondays, together = sorted(weeks), sum(weeks.values())
    first, stray, before = mondays[0], 0, 0
    for earlier, monday in pairwise(mondays):
        before += weeks[earlier]
        if (monday - earlier).days > 7 * SILENCE_WEEKS and before <= STRAY_SHARE * together:
            first, stray = monday, before
    return first, stray
