"""Contract of ``placements``: where the shop puts an item before its shoppers, and when."""

from datetime import UTC, datetime

from pipelines.contracts.batch_rules import EVERY_BATCH
from pipelines.contracts.declaration import Column, Contract
from pipelines.contracts.rules import not_before

PLACEMENTS = Contract(
    name="placements",
    meaning="One item that the shop shows its shoppers for a while, in a mailer or on display.",
    version=1,
    key="placement_id",
    sort_by=("placement_id",),
    columns=(
        Column("placement_id", "string", "Names the placement.", "mailer-45-1082185"),
        Column("item_id", "string", "The item that is shown.", "1082185"),
        Column(
            "channel",
            "string",
            "Where: in a mailer (leaflet, newsletter) or on display (end of an aisle, home page).",
            "mailer",
            allowed=("mailer", "display"),
        ),
        Column(
            "reach",
            "float64",
            "Whom it reaches: share of the stores, or of the shoppers; empty: all of them.",
            0.94,
            unit="share",
            nullable=True,
            minimum=0.0,
            above_minimum=True,
            maximum=1.0,
        ),
        Column(
            "announced_at",
            "timestamp",
            "When the shop knew of it; empty: when it starts. Nothing learns of it before.",
            datetime(2017, 10, 30, 4, tzinfo=UTC),
            unit="UTC",
            nullable=True,
        ),
        Column(
            "starts_at",
            "timestamp",
            "First moment it is shown.",
            datetime(2017, 10, 30, 4, tzinfo=UTC),
            unit="UTC",
        ),
        Column(
            "ends_at",
            "timestamp",
            "First moment it no longer is.",
            datetime(2017, 11, 6, 5, tzinfo=UTC),
            unit="UTC",
        ),
    ),
    cross_rules=(not_before("ends_at", "starts_at"),),
    batch_rules=EVERY_BATCH,
    duplicates=(
        "Equal rows are counted as duplicates; rows of one batch that share an id but differ are "
        "quarantined (`placement_id_conflict`). A later batch replaces a placement."
    ),
    notes=(
        "**Complete Journey.** The mailers of its `promotions` table, one row per item and week: 164,929 of them. "
        "`reach` is the share of that week's stores whose mailer has the item. A week's mailer lands with the week "
        "before, since it is printed by then; the source does not say when it was known, so `announced_at` is the "
        "first moment of its week. Its displays (1,138,924 items and weeks) are not landed."
    ),
)
