"""Items that the shop has put with a title and that the bundle does not know yet, among those that it knows."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import numpy as np

from pipelines.domain import History, RankedList, Recommendation
from pipelines.ranking.attributes import UNKNOWN
from pipelines.ranking.blended import BlendedRecommender
from pipelines.text.search_index import MOST_TOKENS
from pipelines.text.tokens import tokens
from serving.schemas import Only, PutItem

KINDS = ("type", "category", "department")
EACH, PLACE = 5, 2
"""Of each so many places, counted from 0, this one is a new item's: nobody knows yet what it is worth."""
MOST = 1000
"""Those put last count, so that a shop that puts its whole catalog does not slow its lists down."""


class NewItems:
    """What no model can score, since nobody has bought it: it goes by what is like it.

    Args:
        model: The bundle's; what it knows is not new.
        described: Items with a title, those put last at the end.
    """

    def __init__(self, model: BlendedRecommender, described: Mapping[str, PutItem]) -> None:
        self._model = model
        unknown = (name for name in reversed([*described]) if name not in model.catalog.position)
        self.items = {name: described[name] for name in islice(unknown, MOST)}
        self._values = {kind: {getattr(item, kind) or "" for item in self.items.values()} for kind in KINDS}
        self._holders: dict[str, set[str]] = {}
        for name, item in self.items.items():
            text = " ".join(filter(None, (item.title, item.department, item.category, item.type, item.brand)))
            for word in tokens(text):
                self._holders.setdefault(word, set()).add(name)

    def that_may_be_shown(
        self, withheld: frozenset[str], only: Only | None, exclude: Iterable[str]
    ) -> dict[str, PutItem]:
        """Those that a request may choose, the last put first."""
        without = withheld.union(exclude)
        return {
            name: item
            for name, item in self.items.items()
            if name not in without and (only is None or _is_one_of(item, only))
        }

    def among_arrivals(
        self, ranked: RankedList, history: History, k: int, shown: Mapping[str, PutItem]
    ) -> RankedList:
        """The model's new arrivals with a new item in the third of each five places.

        They go by how many different things of their type the shopper bought, then of their category and of their
        department, then what was put last goes first. Where the model has no more, new items fill the list.

        Args:
            ranked: The model's.
            history: The shopper; nothing bought before is new.
            k: Places.
            shown: New items that may be in the list.
        """
        bought, mine = set(history.items.tolist()), self._bought_of(history)
        fresh = [
            (tuple(mine[name].get(getattr(item, name), 0) for name in KINDS), name, item)
            for name, item in shown.items()
            if name not in bought
        ]
        fresh.sort(key=lambda one: one[0], reverse=True)
        left, new, found = deque(ranked.items), deque(fresh), list[Recommendation]()
        while len(found) < k and (left or new):
            if new and (not left or len(found) % EACH == PLACE):
                alike, name, item = new.popleft()
                score = found[-1].score if found else 0.0  # nobody knows a better one, and a list is in order
                found.append(Recommendation(name, score, _reason(alike, item)))
            else:
                found.append(left.popleft())
        return RankedList(ranked.source, tuple(found))

    def among_matches(
        self, ranked: RankedList, query: str, k: int, shown: Mapping[str, PutItem]
    ) -> RankedList:
        """What the model's search found and new items in one list: one that holds every word as a best match has 1."""
        asked = list(dict.fromkeys(tokens(query)))[:MOST_TOKENS]
        held = [self._holding(word, number == len(asked) - 1) for number, word in enumerate(asked)]
        shares = ((name, sum(name in names for names in held) / len(held)) for name in shown if held)
        found = [
            Recommendation(name, share, "new here, matches your words") for name, share in shares if share
        ]
        found.sort(key=lambda one: -one.score)
        return _merged(ranked, found, k)

    def _holding(self, word: str, may_be_unfinished: bool) -> set[str]:
        found = self._holders.get(word)
        if found is not None or not may_be_unfinished:
            return found or set()
        return set().union(*(names for other, names in self._holders.items() if other.startswith(word)))

    def _bought_of(self, history: History) -> dict[str, dict[str | None, int]]:
        """How many different things the shopper bought of each type, category and department that new items have."""
        attributes = self._model.catalog.attributes
        mine = np.unique(self._model.catalog.shopper(history, 0).item)
        found: dict[str, dict[str | None, int]] = {}
        for name in KINDS:
            counts, names = Counter(attributes.codes[name][mine].tolist()), attributes.names[name]
            found[name] = {
                value: counts[code] for value in self._values[name] if (code := names.get(value, UNKNOWN))
            }
        return found


def _is_one_of(item: PutItem, only: Only) -> bool:
    if any(getattr(item, name) not in names for name, names in only.wanted().items()):
        return False
    if only.price is None:
        return True
    return item.price is not None and only.price.min <= item.price <= only.price.max


def _reason(bought: tuple[int, ...], item: PutItem) -> str:
    for times, name in zip(bought, KINDS, strict=True):
        if times:
            return f"new in this shop; of {getattr(item, name)} you bought {times}"
    return "new in this shop"


def _merged(ranked: RankedList, new: Sequence[Recommendation], k: int) -> RankedList:
    """Each new one before the first that is worth less; what the model ranked keeps its order."""
    found = list(ranked.items)
    for one in new[:k]:
        at = next((place for place, other in enumerate(found) if other.score < one.score), len(found))
        found.insert(at, one)
    return RankedList(ranked.source, tuple(found[:k]))
