"""What is asked of a batch as a whole; a batch that breaks one of these is refused.

The limits are keys of ``validate_data`` in ``params.yaml``; a name in braces stands for the value there.
"""

from pipelines.contracts.declaration import BatchRule

WEEKS_COMPARED = 4
PRICE_WEEKS = 8
"""Prices that stood still for up to four weeks do not become usual among so many."""
NIGHT_HOURS = range(2, 6)
FEWEST = 100
"""Shoppers, or items sold in two weeks in a row, of which a mean or a median says something."""

READABLE = BatchRule("readable", "the file opens and can be read to its end")
COLUMNS = BatchRule("columns", "every column that may not be null is there, and no unknown column is")
TYPES = BatchRule("types", "every column has its type; integers are taken for numbers, text is not")
NOT_EMPTY = BatchRule("not_empty", "there is at least one row")
QUARANTINE_SHARE = BatchRule(
    "quarantine_share",
    "at most {quarantine_share_limit} of the rows are quarantined; rows that the source's mapping sets aside and "
    "bad rows that came before do not count (posted events excepted: one misbehaving client must not hold up "
    "the others)",
    ("quarantine_share_limit",),
)
UNKNOWN_ITEMS = BatchRule(
    "unknown_items",
    "at most {unjoined_share_limit} of the rows are about an item that the catalog does not have, the batch's "
    "own items included (posted events and mended rows excepted; not judged before a catalog has landed)",
    ("unjoined_share_limit",),
)
WEEK_VOLUME = BatchRule(
    "week_volume",
    "a landed week has between {week_volume_share_low} and {week_volume_share_high} times the rows of the "
    f"median of the {WEEKS_COMPARED} weeks before it, and as many times the shoppers who bought something",
    ("week_volume_share_low", "week_volume_share_high"),
)
FRESHNESS = BatchRule(
    "freshness",
    "the newest event of a batch that completes a week is at most {freshness_hours_limit} hours older than the "
    "end of that week: else the export was cut",
    ("freshness_hours_limit",),
)
CATEGORY_MIX = BatchRule(
    "category_mix",
    "the purchases of a landed week are spread over the item categories as in the "
    f"{WEEKS_COMPARED} weeks before it: the total variation distance is at most {{category_mix_limit}} more than "
    "what chance gives for that many purchases",
    ("category_mix_limit",),
)
HOUR_MIX = BatchRule(
    "hour_mix",
    f"the baskets of a landed week are spread over the hours of the shop's day as in the {WEEKS_COMPARED} weeks before "
    "it: the total variation distance is at most {hour_mix_limit} more than what chance gives",
    ("hour_mix_limit",),
)
NIGHT = BatchRule(
    "night",
    f"at most {{night_share_limit}} of a landed week's baskets are bought between {NIGHT_HOURS.start} and "
    f"{NIGHT_HOURS.stop} o'clock of the shop's day: else its times are those of another time zone, which no week "
    "before it shows where all of them are shifted",
    ("night_share_limit",),
)
REPEATED = BatchRule(
    "repeated",
    "the share of a landed week's purchases that equal another one of the week in all but the event id is at most "
    f"{{repeated_share_limit}} above its median in the {WEEKS_COMPARED} weeks before it",
    ("repeated_share_limit",),
)
REPRICED = BatchRule(
    "repriced",
    "of the items sold in a landed week and in the one before it, at least {repriced_share_low} times the share that "
    f"was usual in the {PRICE_WEEKS} weeks before have another median price: else prices are out of "
    "date",
    ("repriced_share_low",),
)
PRICE_LEVEL = BatchRule(
    "price_level",
    "of the items sold in a landed week and in the one before it, the median price changed by a factor of at most "
    f"{{price_level_limit}} either way, where these are {FEWEST} or more: else values are told in another unit",
    ("price_level_limit",),
)
BASKETS_PER_SHOPPER = BatchRule(
    "baskets_per_shopper",
    "a shopper of a landed week has as many baskets as the median of the "
    f"{WEEKS_COMPARED} weeks before it, by a factor of at most {{baskets_per_shopper_limit}} either way, where they "
    f"are {FEWEST} or more: else shoppers were merged or split",
    ("baskets_per_shopper_limit",),
)
BUSIEST_SHOPPER = BatchRule(
    "busiest_shopper",
    "no shopper has more than {busiest_shopper_limit} of a landed week's purchases, or twice the largest share of the "
    f"{WEEKS_COMPARED} weeks before it where that is more: else a robot or a test account is among them",
    ("busiest_shopper_limit",),
)
HIDDEN = BatchRule(
    "hidden",
    "at most {hidden_share_limit} of a landed week's purchases are of items that the catalog says must not be "
    "recommended",
    ("hidden_share_limit",),
)
CONSERVATION = BatchRule("conservation", "rows in = rows accepted + rows quarantined + duplicates")
EVERY_BATCH = (READABLE, COLUMNS, TYPES, NOT_EMPTY, QUARANTINE_SHARE, CONSERVATION)


def told_again(key: str) -> str:
    """What is done about rows of an appended data set that come twice, in words."""
    return (
        "A row equal to one already there (the time of ingestion aside) is counted as a duplicate and left out. "
        f"Rows that share an id but differ are all quarantined (`{key}_conflict`): nobody can say which is true."
    )
