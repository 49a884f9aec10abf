"""Batch rules about whole weeks: what makes a week unlike those before it, in words for a person."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from statistics import median

from pipelines.contracts.batch_rules import NIGHT_HOURS, PRICE_WEEKS, WEEKS_COMPARED

Mix = Mapping[str, int]
"""Counts by name."""
Part = tuple[int, int]
"""A part and the whole."""


def volume_faults(
    counts: Mapping[int, int], weeks: range, low: float, high: float, what: str = "events"
) -> list[str]:
    """Weeks whose volume is far from that of the weeks before.

    Args:
        counts: How many per shop week, history and the judged weeks together.
        weeks: The judged weeks; those without four weeks before them in ``counts`` are not judged.
        low: Smallest share of the median of the four weeks before.
        high: Largest share of it.
        what: Is counted.
    """
    faults = []
    for week in weeks:
        before = [counts[earlier] for earlier in range(week - WEEKS_COMPARED, week) if earlier in counts]
        if len(before) < WEEKS_COMPARED:
            continue
        usual, found = median(before), counts.get(week, 0)
        if not low * usual <= found <= high * usual:
            faults.append(
                f"events: week {week}: expected between {low * usual:,.0f} and {high * usual:,.0f} {what} "
                f"({low:g} to {high:g} times the median of weeks {week - WEEKS_COMPARED} to {week - 1}), "
                f"found {found:,}"
            )
    return faults


def freshness_faults(newest: datetime | None, week: int, ends_at: datetime, limit: float) -> list[str]:
    """A completed week whose end is missing.

    Args:
        newest: The newest event of the batch, None of a batch without events.
        week: The week that the batch completes.
        ends_at: Its end.
        limit: Hours that the newest event may lie before it.
    """
    if newest is None or ends_at - newest <= timedelta(hours=limit):
        return []
    hours = (ends_at - newest) / timedelta(hours=1)
    return [
        f"events: week {week}: expected the newest event at most {limit:g} hours before the end of the week "
        f"({ends_at:%Y-%m-%d %H:%M} UTC), found {newest:%Y-%m-%d %H:%M} UTC, {hours:,.0f} hours before; the "
        "export was cut: export the whole week again, or raise validate_data.freshness_hours_limit in params.yaml "
        "where the shop was closed"
    ]


def mix_faults(mixes: Mapping[int, Mix], weeks: range, limit: float) -> list[str]:
    """Weeks whose purchases are spread over the categories otherwise than in the weeks before.

    Args:
        mixes: Purchases by category, per shop week: history and the judged weeks together.
        weeks: The judged weeks; those without four weeks before them in ``mixes`` are not judged.
        limit: Largest total variation distance beyond what chance gives.
    """
    return [
        f"events: week {week}: expected the mix of item categories of {_compared(week)} (distance at most {limit:g} "
        f"beyond chance), found {excess:.2f}: {_moved(mixes[week], usual)}; look for a part of the shop that is "
        "missing from the export or for item ids that changed their meaning, or raise "
        "validate_data.category_mix_limit in params.yaml"
        for week, usual, excess in _excesses(mixes, weeks)
        if excess > limit
    ]


def hours_faults(hours: Mapping[int, Mix], weeks: range, limit: float) -> list[str]:
    """Weeks whose purchases are spread over the hours of the day otherwise than in the weeks before.

    Args:
        hours: Baskets by hour of the shop's day, ``"0"`` to ``"23"``, per shop week.
        weeks: The judged weeks; those without four weeks before them in ``hours`` are not judged.
        limit: Largest total variation distance beyond what chance gives.
    """
    return [
        f"events: week {week}: expected baskets at the hours of the day of {_compared(week)} (distance at most "
        f"{limit:g} beyond chance), found {excess:.2f}, nearest when moved by {_shift(hours[week], usual):+d} hours; "
        "look for local times that were taken for UTC, or the other way round, or raise "
        "validate_data.hour_mix_limit in params.yaml where opening hours changed"
        for week, usual, excess in _excesses(hours, weeks)
        if excess > limit
    ]


def night_faults(hours: Mapping[int, Mix], weeks: range, limit: float) -> list[str]:
    """Weeks that are bought at night; needs no weeks before, which may be shifted alike.

    Args:
        hours: Baskets by hour of the shop's day, ``"0"`` to ``"23"``, per shop week.
        weeks: The judged weeks.
        limit: Largest share of the baskets between 2 and 6 o'clock.
    """
    shares = {
        week: sum(mix.get(str(hour), 0) for hour in NIGHT_HOURS) / sum(mix.values())
        for week in weeks
        if (mix := hours.get(week))
    }
    return [
        f"events: week {week}: expected at most {limit:.1%} of the baskets between {NIGHT_HOURS.start} and "
        f"{NIGHT_HOURS.stop} o'clock of the shop's day, found {share:.1%}; look for local times that were taken for "
        "UTC, or the other way round, and for shop.timezone in params.yaml, or raise validate_data.night_share_limit "
        "there where shoppers do buy at night"
        for week, share in shares.items()
        if share > limit
    ]


def repeated_faults(repeated: Mapping[int, Part], weeks: range, limit: float) -> list[str]:
    """Weeks in which purchases are there again under other event ids.

    Args:
        repeated: Purchases that another one equals in all but the id, and all purchases, per shop week. Some are usual
            where a till writes a line for each piece.
        weeks: The judged weeks; those without four weeks before them in ``repeated`` are not judged.
        limit: Largest share above the median share of the four weeks before.
    """
    return [
        f"events: week {week}: expected at most {usual + limit:.1%} of the purchases to equal another one in shopper, "
        f"item, basket, time, quantity and value ({limit:.1%} above the median of {_compared(week)}), found "
        f"{part / whole:.1%} ({part:,} of {whole:,}); the export holds rows twice under other ids: export the week "
        "again, or raise validate_data.repeated_share_limit in params.yaml"
        for week, usual, (part, whole) in _shares(repeated, weeks, WEEKS_COMPARED)
        if part > (usual + limit) * whole
    ]


def repriced_faults(repriced: Mapping[int, Part], weeks: range, low: float) -> list[str]:
    """Weeks in which hardly any price changed.

    Args:
        repriced: Items whose price is not that of the week before, and all sold in both, per shop week.
        weeks: The judged weeks; those without four of the eight weeks before them in ``repriced`` are not judged.
        low: Smallest share, by the median share of the eight weeks before; beyond three standard deviations of chance.
    """
    return [
        f"events: week {week}: expected at least {low * usual:.1%} of the items to have another price than in the week "
        f"before ({low:g} times the median of {_compared(week, PRICE_WEEKS)}), found {part / whole:.1%} ({part:,} of "
        f"{whole:,}); look for prices that are no longer brought up to date, or lower "
        "validate_data.repriced_share_low in params.yaml"
        for week, usual, (part, whole) in _shares(repriced, weeks, PRICE_WEEKS)
        if part < low * usual * whole - 3 * math.sqrt(usual * (1 - usual) * whole)
    ]


def _shares(parts: Mapping[int, Part], weeks: range, back: int) -> Iterator[tuple[int, float, Part]]:
    """Of each week that can be judged, the median share of the ``back`` weeks before it, and its own part and whole."""
    for week in weeks:
        before = [parts[earlier] for earlier in range(week - back, week) if earlier in parts]
        if len(before) >= WEEKS_COMPARED and parts.get(week, (0, 0))[1]:
            yield week, median(part / whole for part, whole in before), parts[week]


def _excesses(mixes: Mapping[int, Mix], weeks: range) -> Iterator[tuple[int, Mix, float]]:
    """Of each week that can be judged, the spread of those before it and the distance from it beyond chance."""
    for week in weeks:
        before = [mixes[earlier] for earlier in range(week - WEEKS_COMPARED, week) if earlier in mixes]
        if len(before) == WEEKS_COMPARED and mixes.get(week):
            usual = sum(map(Counter, before), Counter())
            yield week, usual, distance(mixes[week], usual) - chance_distance(mixes[week], usual)


def _compared(week: int, back: int = WEEKS_COMPARED) -> str:
    return f"weeks {week - back} to {week - 1}"


def _shift(found: Mix, usual: Mix) -> int:
    """By how many hours the day has to be moved to be nearest to the usual one."""

    def moved(by: int) -> Mix:
        return {str((int(hour) + by) % 24): count for hour, count in found.items()}

    return min(sorted(range(-11, 13), key=abs), key=lambda by: distance(moved(by), usual))


def distance(one: Mix, other: Mix) -> float:
    """Total variation distance of two spreads, from 0 (equal) to 1 (nothing in common)."""
    here, there = sum(one.values()), sum(other.values())
    names = set(one) | set(other)
    return sum(abs(one.get(name, 0) / here - other.get(name, 0) / there) for name in names) / 2


def chance_distance(one: Mix, other: Mix) -> float:
    """The distance to expect of two samples of these sizes from one spread.

    A category's shares differ by a normal deviation of variance ``p (1 - p) (1/n + 1/m)``, whose mean size is its
    standard deviation times the root of ``2 / pi``.
    """
    here, there = sum(one.values()), sum(other.values())
    shares = ((one.get(name, 0) + other.get(name, 0)) / (here + there) for name in set(one) | set(other))
    spread = (1 / here + 1 / there) / (2 * math.pi)
    return sum(math.sqrt(share * (1 - share) * spread) for share in shares)


def _moved(found: Mix, usual: Mix) -> str:
    """The three categories whose share moved most."""
    here, there = sum(found.values()), sum(usual.values())
    shares = {name: (usual.get(name, 0) / there, found.get(name, 0) / here) for name in {*found, *usual}}
    most = sorted(shares, key=lambda name: (-abs(shares[name][1] - shares[name][0]), name))[:3]
    return ", ".join(f"{name} {shares[name][0]:.1%} to {shares[name][1]:.1%}" for name in most)
