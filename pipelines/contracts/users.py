"""Contract of ``users``: who shops."""

from pipelines.contracts.batch_rules import EVERY_BATCH
from pipelines.contracts.declaration import Column, Contract


def _demographic(name: str, meaning: str, sample: str) -> Column:
    return Column(name, "string", meaning, sample, nullable=True)


USERS = Contract(
    name="users",
    meaning="One shopper whom the shop has seen.",
    version=1,
    key="user_id",
    sort_by=("user_id",),
    columns=(
        Column("user_id", "string", "Names the shopper.", "900"),
        _demographic("age", "Age band.", "35-44"),
        _demographic("income", "Income band.", "35-49K"),
        _demographic("home_ownership", "Owner or renter.", "Homeowner"),
        _demographic("marital_status", "Married or not.", "Married"),
        _demographic("household_size", "How many people; 5+ is the top band.", "2"),
        _demographic("household_composition", "Adults and kids.", "2 Adults No Kids"),
        _demographic("kids_count", "How many kids; 3+ is the top band.", "0"),
    ),
    batch_rules=EVERY_BATCH,
    duplicates=(
        "Equal rows are counted as duplicates; rows of one batch that share an id but differ are "
        "quarantined (`user_id_conflict`). A later batch replaces a shopper."
    ),
    notes=(
        "**Complete Journey.** Every household with a purchase up to the landed week, with its row of "
        "`demographics` where there is one (801 of 2,469)."
    ),
)
