"""What a shop said of its items so far, in the form that answers go by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from serving.schemas import PutItem

T = TypeVar("T")
Puts = Sequence[tuple[str, PutItem]]


class KeptItem(PutItem, frozen=True, forbid_unknown_fields=False):
    """An item in a store, which a later release may have put there with more fields."""


def read_item(body: bytes | str) -> PutItem:
    """What a store keeps of an item."""
    return msgspec.json.decode(body, type=KeptItem)


@dataclass(frozen=True)
class Said:
    """All that was put, each item's last word. Each part is the same object as long as nothing changes in it.

    Attributes:
        withheld: Ids of what may not be shown: hidden, or out of stock.
        prices: By item, where a price was put.
        described: By item, where a title was put; what was put last stands last.
    """

    withheld: frozenset[str] = frozenset()
    prices: Mapping[str, float] = field(default_factory=dict)
    described: Mapping[str, PutItem] = field(default_factory=dict)

    def after(self, puts: Puts) -> "Said":
        """The same with what was put since, of each item once."""
        withheld = self.withheld - {name for name, _ in puts} | {
            name for name, item in puts if item.is_withheld
        }
        return Said(
            self.withheld if withheld == self.withheld else withheld,
            _with(self.prices, puts, lambda item: item.price),
            _with(self.described, puts, lambda item: item if item.title is not None else None),
        )


NOTHING_SAID = Said()


def _with(known: Mapping[str, T], puts: Puts, part: Callable[[PutItem], T | None]) -> Mapping[str, T]:
    """What is known of a part of each item after ``puts``; what was put last stands last."""
    told = [(name, part(item)) for name, item in puts]
    if all(known.get(name) == value for name, value in told):
        return known
    left = dict(known)
    for name, value in told:
        left.pop(name, None)
        if value is not None:
            left[name] = value
    return left
