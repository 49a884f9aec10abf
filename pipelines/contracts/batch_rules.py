"""What is asked of a batch as a whole; a batch that breaks one of these is refused."""

from pipelines.contracts.declaration import BatchRule

READABLE = BatchRule("readable", "the file opens and can be read to its end")
COLUMNS = BatchRule("columns", "every column that may not be null is there, and no unknown column is")
TYPES = BatchRule("types", "every column has its type; integers are taken for numbers, text is not")
NOT_EMPTY = BatchRule("not_empty", "there is at least one row")
QUARANTINE_SHARE = BatchRule(
    "quarantine_share",
    "at most `validate_data.quarantine_share_limit` of the rows are quarantined (posted events excepted: "
    "one misbehaving client must not hold up the others)",
)
WEEK_VOLUME = BatchRule(
    "week_volume",
    "a landed week has between `week_volume_share_low` and `week_volume_share_high` times the rows of the "
    "median of the four weeks before it",
)
CONSERVATION = BatchRule("conservation", "rows in = rows accepted + rows quarantined + duplicates")
EVERY_BATCH = (READABLE, COLUMNS, TYPES, NOT_EMPTY, QUARANTINE_SHARE, CONSERVATION)
