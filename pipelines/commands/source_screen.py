"""The one screen of `shoploop source check`."""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

from pipelines.sources.declaration import SourceDeclaration
from pipelines.sources.findings import DataSetFinding, SourceFinding
from pipelines.sources.shop_proposal import ShopProposal
from pipelines.sources.tally import Reason

WIDEST = 28
REASONS = 8


def screen(source: SourceDeclaration, found: SourceFinding) -> Iterator[str]:
    """The lines."""
    yield f"Source {source.name}: {source.kind} at {source.shown_location}, {source.timezone}, {source.currency}"
    for data_set in found.data_sets:
        yield ""
        yield from _data_set(data_set, source.zone)
    yield ""
    if found.unknown_items is not None:
        yield f"Events about items that the catalog does not have: {found.unknown_items:.2%}"
    yield from (f"Look at this: {remark}" for remark in found.remarks)
    if found.shop:
        yield f"`shoploop source use {source.name}` would write into params.yaml"
        yield from shop_block(found.shop)
    yield ""
    if found.refusals:
        yield "Landing would refuse this source"
        yield from (f"  {refusal}" for refusal in found.refusals)
    else:
        yield f"Landing would take this source: `shoploop source use {source.name}`, then `shoploop land --weeks 0`"


def shop_block(shop: ShopProposal) -> Iterator[str]:
    """The block of params.yaml."""
    yield "  shop:"
    yield f"    source: {shop.source}"
    yield f"    timezone: {shop.timezone}"
    yield f'    first_week: "{shop.first_week}"'
    yield f"    history_until_week: null  # {shop.complete_weeks} weeks are over"


def _data_set(found: DataSetFinding, zone: tzinfo) -> Iterator[str]:
    counts = found.counts
    span = (
        f", {_moment(found.first, zone)} to {_moment(found.last, zone)}" if found.first and found.last else ""
    )
    first = "the first " if found.is_limited else ""
    yield f"{found.name}: {first}{counts.rows:,} rows of {_pieces(found.pieces)}{span}"
    share = counts.quarantined / max(counts.rows, 1)
    yield (
        f"  {counts.accepted:,} would be accepted, {counts.duplicates:,} are duplicates, {counts.set_aside:,} are "
        f"set aside by your rules, {counts.quarantined:,} ({share:.2%}) would be quarantined"
    )
    yield from _table(
        ["column", "made from", "before", "after"],
        [[one.name, one.made_from, one.before, _word(one.after, zone)] for one in found.columns],
    )
    yield from _reasons("Would be quarantined", found.quarantined)
    yield from _reasons("Set aside by your rules", found.set_aside)
    if found.samples:
        yield f"  The first {len(found.samples)} rows after mapping"
        names = [name for name in found.samples[0] if any(row[name] is not None for row in found.samples)]
        yield from _table(names, [[_word(row[name], zone) for name in names] for row in found.samples])


def _pieces(names: list[str]) -> str:
    if len(names) <= 1:
        return names[0] if names else "nothing"
    return f"{len(names)} pieces, {names[0]} to {names[-1]}"


def _reasons(title: str, reasons: list[Reason]) -> Iterator[str]:
    if not reasons:
        return
    yield f"  {title}"
    for reason in reasons[:REASONS]:
        name = reason.reason.removeprefix("declared: ")
        yield f"    {reason.rows:>9,}  {name}: first {reason.first}" + (
            f", {reason.example}" if reason.example else ""
        )
    if len(reasons) > REASONS:
        yield f"    and {len(reasons) - REASONS} more reasons"


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    cells = [[_short(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield (
            "    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        ).rstrip()


def _short(cell: str) -> str:
    return cell if len(cell) <= WIDEST else cell[: WIDEST - 1] + "…"


def _word(value: Any, zone: tzinfo) -> str:
    if value is None:
        return "-"
    return _moment(value, zone) if isinstance(value, datetime) else str(value)


def _moment(moment: datetime, zone: tzinfo) -> str:
    """In the shop's own time: that is what the people who check it know."""
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M}" + (" UTC" if zone is UTC else "")
