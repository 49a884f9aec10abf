"""Data contracts: one declaration per data set, and what is made from it."""

from pipelines.contracts.declaration import Contract
from pipelines.contracts.events import EVENTS
from pipelines.contracts.impressions import IMPRESSIONS
from pipelines.contracts.items import ITEMS
from pipelines.contracts.placements import PLACEMENTS
from pipelines.contracts.promotions import PROMOTIONS
from pipelines.contracts.queries import QUERIES
from pipelines.contracts.reviews import REVIEWS
from pipelines.contracts.users import USERS

REFERENCE = (ITEMS, USERS, PROMOTIONS, PLACEMENTS)  # a later row replaces the one of the same key
APPENDED = (EVENTS, REVIEWS, IMPRESSIONS, QUERIES)  # rows are added and never replaced
__all__ = [
    "APPENDED", "CONTRACTS", "EVENTS", "IMPRESSIONS", "ITEMS", "PLACEMENTS", "PROMOTIONS", "QUERIES", "REFERENCE",
    "REVIEWS", "USERS", "Contract",
]  # fmt: skip

CONTRACTS: dict[str, Contract] = {
    contract.name: contract for contract in (EVENTS, *REFERENCE, REVIEWS, IMPRESSIONS, QUERIES)
}
