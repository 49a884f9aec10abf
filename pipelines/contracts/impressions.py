"""Contract of ``impressions``: what was shown to whom, and with which chance."""

from datetime import UTC, datetime

from pipelines.contracts.batch_rules import EVERY_BATCH, UNKNOWN_ITEMS, told_again
from pipelines.contracts.declaration import Column, Contract
from pipelines.contracts.rules import not_before, not_in_future, whole

IMPRESSIONS = Contract(
    name="impressions",
    meaning="One item at one place of one list that was shown.",
    version=1,
    key="impression_id",
    sort_by=("occurred_at", "impression_id"),
    columns=(
        Column("impression_id", "string", "Names the impression.", "6f1c0b6c9d4e4f0f8f5d4a6d1f1e2a3b-1"),
        Column(
            "request_id",
            "string",
            "The request that the list answered; all its items share it.",
            "6f1c0b6c9d4e4f0f8f5d4a6d1f1e2a3b",
        ),
        Column("user_id", "string", "To whom; empty when nobody was named.", "900", nullable=True),
        Column("item_id", "string", "The item that was shown.", "25671"),
        Column(
            "position",
            "float64",
            "Its place in the list; the first is 1.",
            1.0,
            unit="places",
            minimum=1.0,
            maximum=10_000.0,
        ),
        Column(
            "propensity",
            "float64",
            "The chance with which the policy chose this item for this place; 1 where it left none.",
            1.0,
            unit="probability",
            minimum=0.0,
            above_minimum=True,
            maximum=1.0,
        ),
        Column(
            "scenario",
            "string",
            "What was asked for, such as recommendations.",
            "recommendations",
            nullable=True,
        ),
        Column("release", "string", "The release that answered.", "20171113-0001", nullable=True),
        Column("variant", "string", "Its part in the traffic, such as live.", "live", nullable=True),
        Column("source", "string", "The step of the fallback chain that answered.", "model", nullable=True),
        Column(
            "clicked",
            "bool",
            "Whether the shopper took it; empty where that is not known.",
            False,
            nullable=True,
        ),
        Column(
            "occurred_at",
            "timestamp",
            "When it was shown.",
            datetime(2017, 11, 13, 14, 20, 5, tzinfo=UTC),
            unit="UTC",
        ),
        Column(
            "ingested_at",
            "timestamp",
            "When the shop learned of it.",
            datetime(2017, 11, 20, 5, tzinfo=UTC),
            unit="UTC",
        ),
    ),
    item_column="item_id",
    cross_rules=(
        whole("position"),
        not_before("ingested_at", "occurred_at"),
        not_in_future("occurred_at"),
    ),
    batch_rules=(*EVERY_BATCH, UNKNOWN_ITEMS),
    duplicates=told_again("impression_id"),
    notes=(
        "**The endpoint** writes one row per answer into its impression log (`serving/impressions.py`), with "
        "the items in order; here each place is a row and `impression_id` is `<request_id>-<position>`. "
        "`shown_at` there, microseconds on the shop clock, is `occurred_at` here. Its lists leave nothing to "
        "chance, so their propensity is 1. **Complete Journey** has no impressions."
    ),
)
