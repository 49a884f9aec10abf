"""Batch rules about the level of a week: prices, baskets of a shopper, the busiest shopper, what is hidden."""

import math
from collections.abc import Iterator, Mapping
from statistics import median

from pipelines.contracts.batch_rules import FEWEST, WEEKS_COMPARED
from pipelines.contracts.week_rules import Part


def price_level_faults(changes: Mapping[int, tuple[float, int]], weeks: range, limit: float) -> list[str]:
    """Weeks in which everything costs a multiple of what it cost the week before.

    Args:
        changes: Per shop week, the median over the items sold in it and in the week before of the price divided by
            that of the week before, and how many items these are.
        weeks: The judged weeks; those with fewer than ``FEWEST`` such items are not judged.
        limit: Largest change, as a factor in either direction.
    """
    return [
        f"events: week {week}: expected half of the items to cost between 1/{limit:g} and {limit:g} times what they "
        f"cost the week before, found {change:.2f} times at the median of {items:,} items; look for pence "
        "that were taken for pounds, for another currency and for `value` told of a piece instead of a line, or raise "
        "validate_data.price_level_limit in params.yaml"
        for week in weeks
        for change, items in [changes.get(week, (1.0, 0))]
        if items >= FEWEST and not 1 / limit <= change <= limit
    ]


def baskets_faults(baskets: Mapping[int, Part], weeks: range, limit: float) -> list[str]:
    """Weeks in which a shopper has many more or fewer baskets than usual.

    Args:
        baskets: Baskets and shoppers of each shop week.
        weeks: The judged weeks; those without four weeks before them, or with fewer than ``FEWEST`` shoppers, are not.
        limit: Largest change against the median of the four weeks before, as a factor in either direction.
    """
    means = {week: part / whole for week, (part, whole) in baskets.items() if whole >= FEWEST}
    return [
        f"events: week {week}: expected {usual / limit:.2f} to {usual * limit:.2f} baskets of a shopper (the median of "
        f"weeks {week - WEEKS_COMPARED} to {week - 1} by {limit:g} either way), found {found:.2f}; look for shoppers "
        "that were merged or split, such as a changed export of loyalty cards, or raise "
        "validate_data.baskets_per_shopper_limit in params.yaml"
        for week, usual, found in _beside_usual(means, weeks)
        if not usual / limit <= found <= usual * limit
    ]


def busiest_faults(busiest: Mapping[int, tuple[str, int, int]], weeks: range, limit: float) -> list[str]:
    """Weeks of which one shopper bought a large part.

    Args:
        busiest: Per shop week, the shopper with most purchases, how many these are, and how many all are.
        weeks: The judged weeks; those without four weeks before them in ``busiest`` are not judged.
        limit: Largest share of the purchases; where a small shop lives from one shopper, twice the largest share of
            the four weeks before; beyond three standard deviations of chance.
    """
    faults = []
    for week in weeks:
        before = [busiest[earlier] for earlier in range(week - WEEKS_COMPARED, week) if earlier in busiest]
        if len(before) < WEEKS_COMPARED or week not in busiest:
            continue
        allowed = min(max(limit, 2 * max(part / whole for _, part, whole in before)), 1.0)
        user, part, whole = busiest[week]
        if part > allowed * whole + 3 * math.sqrt(allowed * (1 - allowed) * whole):
            faults.append(
                f"events: week {week}: expected no shopper with more than {allowed:.1%} of the purchases, found "
                f"{part / whole:.1%} ({part:,} of {whole:,}) of user {user!r}; look for a robot, a test account or "
                "sales without a card booked on one, leave them out, or raise validate_data.busiest_shopper_limit in "
                "params.yaml"
            )
    return faults


def hidden_faults(hidden: Mapping[int, Part], weeks: range, limit: float) -> list[str]:
    """Weeks that were sold from what the catalog says must not be recommended.

    Args:
        hidden: Per shop week, purchases of items that are not ``recommendable``, and of all that the catalog knows.
        weeks: The judged weeks.
        limit: Largest share.
    """
    return [
        f"items: expected at most {limit:.0%} of week {week}'s purchases to be of items that are not recommendable, "
        f"found {part / whole:.0%} ({part:,} of {whole:,}); nobody could be shown them: land the catalog again, or "
        "raise validate_data.hidden_share_limit in params.yaml where so much must not be recommended"
        for week in weeks
        for part, whole in [hidden.get(week, (0, 0))]
        if part > limit * whole
    ]


def _beside_usual(figures: Mapping[int, float], weeks: range) -> Iterator[tuple[int, float, float]]:
    """Of each week that can be judged, the median of the four weeks before and its own figure."""
    for week in weeks:
        before = [figures[earlier] for earlier in range(week - WEEKS_COMPARED, week) if earlier in figures]
        if len(before) == WEEKS_COMPARED and week in figures:
            yield week, median(before), figures[week]
