"""Judging the weeks that a batch brings against those that were accepted before it."""

import pyarrow.compute as pc

from pipelines.contracts.week_levels import (
    baskets_faults,
    busiest_faults,
    hidden_faults,
    price_level_faults,
)
from pipelines.contracts.week_rules import (
    freshness_faults,
    hours_faults,
    mix_faults,
    night_faults,
    repeated_faults,
    repriced_faults,
    volume_faults,
)
from pipelines.params import ValidateData
from pipelines.week_counting import LandedWeeks, count_weeks
from pipelines.weeks import ShopCalendar


def week_faults(landed: LandedWeeks, calendar: ShopCalendar, limits: ValidateData) -> list[str]:
    """What makes these weeks unfit: a missing end, and what :func:`unlike_faults` finds."""
    newest, week = pc.max(landed.events["occurred_at"]).as_py(), landed.weeks[-1]
    return [
        *freshness_faults(newest, week, calendar.end(week), limits.freshness_hours_limit),
        *unlike_faults(landed, calendar, limits),
    ]


def unlike_faults(landed: LandedWeeks, calendar: ShopCalendar, limits: ValidateData) -> list[str]:
    """What makes these weeks unlike those before: volume, mix, hours, lines told twice, prices, shoppers, catalog."""
    counts, weeks = count_weeks(landed, calendar), landed.weeks
    low, high = limits.week_volume_share_low, limits.week_volume_share_high
    return [
        *volume_faults(counts.events, weeks, low, high),
        *volume_faults(counts.shoppers, weeks, low, high, "shoppers who bought something"),
        *mix_faults(counts.categories, weeks, limits.category_mix_limit),
        *hours_faults(counts.hours, weeks, limits.hour_mix_limit),
        *night_faults(counts.hours, weeks, limits.night_share_limit),
        *repeated_faults(counts.repeated, weeks, limits.repeated_share_limit),
        *repriced_faults(counts.repriced, weeks, limits.repriced_share_low),
        *price_level_faults(counts.price_levels, weeks, limits.price_level_limit),
        *baskets_faults(counts.baskets, weeks, limits.baskets_per_shopper_limit),
        *busiest_faults(counts.busiest, weeks, limits.busiest_shopper_limit),
        *hidden_faults(counts.hidden, weeks, limits.hidden_share_limit),
    ]
