"""Contract of ``queries``: what shoppers searched for."""

from datetime import UTC, datetime

from pipelines.contracts.batch_rules import EVERY_BATCH, UNKNOWN_ITEMS, told_again
from pipelines.contracts.declaration import Column, Contract
from pipelines.contracts.rules import not_before, not_in_future, whole

QUERIES = Contract(
    name="queries",
    meaning="One search, with what was taken from its result.",
    version=1,
    key="query_id",
    sort_by=("occurred_at", "query_id"),
    columns=(
        Column("query_id", "string", "Names the search.", "q-900-1"),
        Column("request_id", "string", "The request that answered it.", "0a1b2c3d", nullable=True),
        Column("user_id", "string", "Who searched; empty when nobody was named.", "900", nullable=True),
        Column("text", "string", "What was typed, as it was typed.", "crushed ice"),
        Column(
            "results",
            "float64",
            "How many items the result had; 0 is a search that found nothing.",
            12.0,
            unit="items",
            nullable=True,
            minimum=0.0,
            maximum=1e9,
        ),
        Column(
            "clicked_item_id",
            "string",
            "The item that was taken from the result; empty for none.",
            "25671",
            nullable=True,
        ),
        Column(
            "clicked_position",
            "float64",
            "Its place in the result; the first is 1.",
            1.0,
            unit="places",
            nullable=True,
            minimum=1.0,
            maximum=1e6,
        ),
        Column(
            "occurred_at",
            "timestamp",
            "When it was sent.",
            datetime(2017, 1, 9, 17, 58, 40, tzinfo=UTC),
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
    item_column="clicked_item_id",
    cross_rules=(
        whole("results"),
        whole("clicked_position"),
        not_before("ingested_at", "occurred_at"),
        not_in_future("occurred_at"),
    ),
    batch_rules=(*EVERY_BATCH, UNKNOWN_ITEMS),
    duplicates=told_again("query_id"),
    notes=(
        "**Complete Journey** has no searches. Two items taken from one result are two rows with ids of their "
        "own and one `request_id`."
    ),
)
