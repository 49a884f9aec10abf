"""What explains that a request was served other features than the offline build gives."""

from collections import Counter
from dataclasses import dataclass

from pipelines.domain import History
from pipelines.weeks import from_micros

CODE = "the same history gives other values by the bundle's own code: what serves is not the code it was judged with"
VIEW = "the history had been made by another view of histories than the bundle carries (another release was live)"
CATALOG = "the catalog has changed since the history was made, so that other items may be recommended"
BATCHES = "a batch that the history was made of is no longer in the landing store"
IN_PART = "an order of which a part had landed, and not by being posted, was two baskets to the endpoint"
UNKNOWN = "nothing explains it"


@dataclass(frozen=True)
class Circumstances:
    """What is known about a request that differs.

    Attributes:
        code_differs: The bundle's code gives other values than were served from the very history that was used.
        same_view: The bundle's view had made the history.
        same_catalog: The catalog is the one from which it was made.
        all_batches: All batches from which it was made are there.
        in_part: The shopper had an order of which a part had landed and a part had not.
    """

    code_differs: bool
    same_view: bool
    same_catalog: bool
    all_batches: bool
    in_part: bool

    @property
    def cause(self) -> str:
        """The first thing that explains the difference."""
        found = (
            (self.code_differs, CODE),
            (not self.same_view, VIEW),
            (not self.all_batches, BATCHES),
            (self.in_part, IN_PART),
            (not self.same_catalog, CATALOG),
        )
        return next((words for holds, words in found if holds), UNKNOWN)


def describe_histories(served: History, offline: History) -> str:
    """How two histories of one shopper differ: how many rows each has, and the first row that differs."""
    sizes = f"history served: {_size(served)}; offline: {_size(offline)}"
    ours, theirs = _rows(served), _rows(offline)
    only = [("served", row) for row in (Counter(ours) - Counter(theirs)).elements()]
    only += [("offline", row) for row in (Counter(theirs) - Counter(ours)).elements()]
    if not only:
        return sizes + ("" if served.baskets.tolist() == offline.baskets.tolist() else "; the baskets differ")
    side, (at, item_id) = min(only, key=lambda found: found[1])
    return f"{sizes}; first row that differs: item {item_id} of {from_micros(at).isoformat()}, only {side}"


def _size(history: History) -> str:
    return f"{len(history.items)} rows in {len(set(history.baskets.tolist()))} baskets"


def _rows(history: History) -> list[tuple[int, str]]:
    return list(zip(history.times.tolist(), history.items.tolist(), strict=True))
