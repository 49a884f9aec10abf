"""Contract of ``events``: what shoppers did."""

from datetime import UTC, datetime

from pipelines.contracts.batch_rules import (
    BASKETS_PER_SHOPPER,
    BUSIEST_SHOPPER,
    CATEGORY_MIX,
    EVERY_BATCH,
    FRESHNESS,
    HIDDEN,
    HOUR_MIX,
    NIGHT,
    PRICE_LEVEL,
    REPEATED,
    REPRICED,
    UNKNOWN_ITEMS,
    WEEK_VOLUME,
    told_again,
)
from pipelines.contracts.declaration import Column, Contract
from pipelines.contracts.rules import filled_when, not_before, not_in_future

EVENT_TYPES = ("purchase", "view", "cart", "rating", "search", "redemption", "impression", "return")
ABOUT_AN_ITEM = ("purchase", "view", "cart", "rating", "impression", "return")
WITH_A_QUANTITY = ("purchase", "return")

EVENTS = Contract(
    name="events",
    meaning="One thing that one shopper did: an item in a basket, a coupon redeemed, an item looked at.",
    version=2,
    key="event_id",
    sort_by=("occurred_at", "event_id"),
    columns=(
        Column(
            "event_id",
            "string",
            "Names the event; the same event sent twice has the same id.",
            "p-31198570044-25671",
        ),
        Column("event_type", "string", "What was done.", "purchase", allowed=EVENT_TYPES),
        Column("user_id", "string", "The shopper; in Complete Journey a household.", "900"),
        Column("item_id", "string", "The item; empty where the event is about none.", "25671", nullable=True),
        Column(
            "basket_id",
            "string",
            "The basket or order. A basket is a set at its earliest moment: its items have no order.",
            "31198570044",
            nullable=True,
        ),
        Column(
            "quantity",
            "float64",
            "How much was bought or came back. Fuel is counted in tiny units (up to 89,638 in one row).",
            1.0,
            unit="pieces or the item's own unit",
            nullable=True,
            minimum=0.0,
            above_minimum=True,
            maximum=1_000_000.0,
        ),
        Column(
            "value",
            "float64",
            "What the shopper paid; of a return, what was paid back, as a positive number; of a rating, the "
            "rating.",
            2.49,
            unit="shop currency (US dollars), or points",
            nullable=True,
            minimum=-1_000_000.0,
            maximum=1_000_000.0,
        ),
        Column(
            "discount",
            "float64",
            "All discounts together, as a positive number.",
            0.5,
            unit="shop currency (US dollars)",
            nullable=True,
            minimum=0.0,
            maximum=1_000_000.0,
        ),
        Column("store_id", "string", "The store; empty on-line.", "330", nullable=True),
        Column("campaign_id", "string", "Of a redemption: the campaign.", "26", nullable=True),
        Column("coupon_id", "string", "Of a redemption: the coupon.", "10000085207", nullable=True),
        Column(
            "corrects",
            "string",
            "The event that this one replaces from the moment it is known: its `event_id`.",
            None,
            nullable=True,
        ),
        Column(
            "occurred_at",
            "timestamp",
            "When it happened.",
            datetime(2017, 1, 1, 11, 53, 26, tzinfo=UTC),
            unit="UTC",
        ),
        Column(
            "ingested_at",
            "timestamp",
            "When the shop learned of it.",
            datetime(2017, 1, 2, 5, tzinfo=UTC),
            unit="UTC",
        ),
    ),
    item_column="item_id",
    cross_rules=(
        filled_when("item_id", "event_type", ABOUT_AN_ITEM),
        filled_when("quantity", "event_type", WITH_A_QUANTITY),
        not_before("ingested_at", "occurred_at"),
        not_in_future("occurred_at"),
    ),
    batch_rules=(
        *EVERY_BATCH,
        UNKNOWN_ITEMS,
        WEEK_VOLUME,
        FRESHNESS,
        CATEGORY_MIX,
        HOUR_MIX,
        NIGHT,
        REPEATED,
        REPRICED,
        PRICE_LEVEL,
        BASKETS_PER_SHOPPER,
        BUSIEST_SHOPPER,
        HIDDEN,
    ),
    duplicates=(
        f"{told_again('event_id')} To mend an accepted event, land another one whose `corrects` names it. From the "
        "moment that is known, only the correction counts: of several, also of corrections of a correction, the one "
        "that nothing corrects and that was known last. What is built as known at an earlier moment keeps the "
        "first telling. A correction of an event that nobody knows is an event like any other."
    ),
    notes=(
        "**Complete Journey.** A purchase is a row of `transactions`; its id is `p-<basket>-<product>`, "
        "which is unique there. A redemption is a row of `coupon_redemptions`, "
        "`r-<household>-<coupon>-<campaign>-<day>`; only the day is recorded, so it is placed at the last "
        "second of that day in the shop's time zone: never before it happened. `ingested_at` is the end of "
        "the shop week. 8,869 rows of the year have a quantity of 0 and go to quarantine "
        "(`quantity_in_range`)."
    ),
)
