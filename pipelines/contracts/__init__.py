"""Data contracts: one declaration per data set, and what is made from it."""

from pipelines.contracts.declaration import Contract
from pipelines.contracts.events import EVENTS
from pipelines.contracts.items import ITEMS
from pipelines.contracts.promotions import PROMOTIONS
from pipelines.contracts.users import USERS

REFERENCE = (ITEMS, USERS, PROMOTIONS)
APPENDED = (EVENTS,)
__all__ = ["APPENDED", "CONTRACTS", "EVENTS", "ITEMS", "PROMOTIONS", "REFERENCE", "USERS", "Contract"]

CONTRACTS: dict[str, Contract] = {contract.name: contract for contract in (EVENTS, *REFERENCE)}
