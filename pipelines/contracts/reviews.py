"""Contract of ``reviews``: what shoppers wrote about items."""

from datetime import UTC, datetime

from pipelines.contracts.batch_rules import EVERY_BATCH, UNKNOWN_ITEMS, told_again
from pipelines.contracts.declaration import Column, Contract
from pipelines.contracts.rules import not_before, not_in_future, whole

REVIEWS = Contract(
    name="reviews",
    meaning="What one shopper wrote about one item, with a rating.",
    version=1,
    key="review_id",
    sort_by=("occurred_at", "review_id"),
    columns=(
        Column("review_id", "string", "Names the review.", "rv-900-25671"),
        Column("user_id", "string", "Who wrote it.", "900"),
        Column("item_id", "string", "The item it is about.", "25671"),
        Column(
            "rating",
            "float64",
            "How much it was liked; halves are allowed.",
            4.0,
            unit="points",
            minimum=1.0,
            maximum=5.0,
        ),
        Column("title", "string", "Its headline, as it was written.", "Keeps well", nullable=True),
        Column("text", "string", "Its text, as it was written.", "Cold for a day in the box.", nullable=True),
        Column(
            "helpful_votes",
            "float64",
            "How many readers called it helpful when it was read out.",
            3.0,
            unit="readers",
            nullable=True,
            minimum=0.0,
            maximum=1e9,
        ),
        Column(
            "verified_purchase",
            "bool",
            "Whether the shop knows that its writer bought the item.",
            True,
            nullable=True,
        ),
        Column(
            "occurred_at",
            "timestamp",
            "When it was written.",
            datetime(2017, 1, 9, 18, 4, 11, tzinfo=UTC),
            unit="UTC",
        ),
        Column(
            "ingested_at",
            "timestamp",
            "When the shop learned of it.",
            datetime(2017, 1, 16, 5, tzinfo=UTC),
            unit="UTC",
        ),
    ),
    item_column="item_id",
    cross_rules=(
        whole("helpful_votes"),
        not_before("ingested_at", "occurred_at"),
        not_in_future("occurred_at"),
    ),
    batch_rules=(*EVERY_BATCH, UNKNOWN_ITEMS),
    duplicates=told_again("review_id"),
    notes=(
        "**Complete Journey** has no reviews. Text is kept as it was written, whatever its language; a review "
        "without words is a rating, and may be landed here or as an event."
    ),
)
