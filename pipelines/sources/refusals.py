"""Why landing would refuse a source."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pipelines.contracts.week_rules import freshness_faults, volume_faults
from pipelines.params import ValidateData
from pipelines.sources.declaration import SourceDeclaration
from pipelines.sources.findings import DataSetFinding
from pipelines.sources.shop_proposal import FEWEST_WEEKS, ShopProposal
from pipelines.weeks import ShopCalendar

NEEDED = ("events", "items")


def row_refusals(found: list[DataSetFinding], limits: ValidateData) -> Iterator[str]:
    """Data sets of which too many rows, or all, would not be accepted."""
    for data_set in found:
        counts, limit = data_set.counts, limits.quarantine_share_limit
        if not counts.rows:
            yield f"{data_set.name}: expected at least one row, found none"
        elif counts.quarantined > limit * counts.rows:
            worst = data_set.quarantined[0]
            yield (
                f"{data_set.name}: {counts.quarantined / counts.rows:.1%} of the rows would be quarantined, at most "
                f"{limit:.1%} may be; most often {worst.reason} ({worst.first}: {worst.example})"
            )
        elif not counts.accepted:
            yield f"{data_set.name}: no row is left to be landed"


def shop_refusals(
    source: SourceDeclaration,
    found: list[DataSetFinding],
    unknown: float | None,
    shop: ShopProposal | None,
    limits: ValidateData,
) -> Iterator[str]:
    """What is missing of the whole: data sets, items of the catalog, weeks."""
    for name in NEEDED:
        if name not in source.data_sets:
            yield f"{name}: not mapped; nothing can be learned without {' and '.join(NEEDED)}"
    if any(data_set.is_limited for data_set in found):
        return  # of a part of the rows nobody can say what the whole covers
    if unknown is not None and unknown > limits.unjoined_share_limit:
        yield (
            f"events: {unknown:.1%} are about items that the catalog does not have, at most "
            f"{limits.unjoined_share_limit:.1%} may be; compare item_id in events and items"
        )
    if shop is not None and shop.complete_weeks < FEWEST_WEEKS:
        yield f"events: {shop.complete_weeks} complete weeks, at least {FEWEST_WEEKS} are needed"


def week_refusals(
    weeks: Mapping[date, int], last: datetime, shop: ShopProposal, limits: ValidateData
) -> list[str]:
    """What the rules over whole weeks say about the complete weeks of a history.

    Args:
        weeks: Events by the Monday of their week.
        last: The newest event.
        shop: How the weeks are counted, and how many are complete.
        limits: What landing tolerates.
    """
    counts = {(monday - shop.first_week).days // 7 + 1: rows for monday, rows in weeks.items()}
    judged = range(1, shop.complete_weeks + 1)
    faults = volume_faults(counts, judged, limits.week_volume_share_low, limits.week_volume_share_high)
    ends_at = ShopCalendar(ZoneInfo(shop.timezone), shop.first_week).end(shop.complete_weeks)
    if last < ends_at:  # else an event of a later week shows that the export goes beyond this one
        faults += freshness_faults(last, shop.complete_weeks, ends_at, limits.freshness_hours_limit)
    return faults


def remarks(found: list[DataSetFinding], shop: ShopProposal | None) -> Iterator[str]:
    """What a person should look at though it is no reason to refuse."""
    for data_set in found:
        yield from (
            f"{data_set.name}: nothing is ever in the source's column {name}" for name in data_set.empty
        )
    if shop is not None and shop.stray_events:
        yield (
            f"{shop.stray_events:,} events lie long before all others (from "
            f"{min(data_set.first for data_set in found if data_set.name == 'events' and data_set.first):%Y-%m-%d}): "
            "placeholder dates? They would be landed with week 1"
        )
