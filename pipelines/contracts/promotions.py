"""Contract of ``promotions``: what was promised to shoppers, and when."""

from datetime import UTC, datetime

from pipelines.contracts.batch_rules import EVERY_BATCH
from pipelines.contracts.declaration import Column, Contract
from pipelines.contracts.rules import not_before

PROMOTIONS = Contract(
    name="promotions",
    meaning="One item that one coupon of one campaign is good for.",
    version=1,
    key="promotion_id",
    sort_by=("promotion_id",),
    columns=(
        Column("promotion_id", "string", "Names the promotion.", "26-10000085207-9676830"),
        Column("campaign_id", "string", "The campaign.", "26"),
        Column("campaign_type", "string", "Kind of campaign.", "Type B", nullable=True),
        Column("coupon_id", "string", "The coupon.", "10000085207", nullable=True),
        Column("item_id", "string", "The item that the coupon is good for.", "9676830"),
        Column(
            "starts_at",
            "timestamp",
            "First moment it is good.",
            datetime(2016, 12, 28, 5, tzinfo=UTC),
            unit="UTC",
        ),
        Column(
            "ends_at",
            "timestamp",
            "First moment it no longer is.",
            datetime(2017, 2, 20, 5, tzinfo=UTC),
            unit="UTC",
        ),
    ),
    cross_rules=(not_before("ends_at", "starts_at"),),
    batch_rules=EVERY_BATCH,
    duplicates=(
        "Equal rows are counted as duplicates (Complete Journey repeats 4,872 of its 116,204 coupon rows "
        "over the year); rows of one batch that share an id but differ are quarantined "
        "(`promotion_id_conflict`). A later batch replaces a promotion."
    ),
    notes=(
        "**Complete Journey.** `coupons` with the dates of their campaign from `campaign_descriptions`, "
        "from the week in which the campaign starts: a campaign is not known before. Its own `promotions` "
        "table is of mailers and displays: see placements."
    ),
)
