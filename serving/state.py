"""What the endpoint knows of shoppers and items, and what every store of it does; :mod:`serving.stores` opens one.

A history is two parts put together when it is read: what landed, and what was posted since.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.domain import History
from serving.said import Said
from serving.schemas import PutItem
from serving.showings import Shown, Wish

PURCHASE = ("user_id", "item_id", "basket_id")
Line = tuple[str, int, str]  # item, moment, basket
Redemption = tuple[str, str, str]  # event, shopper, campaign
Columns = tuple[bytes, bytes, bytes]  # items, times, baskets
OPEN_ORDER = 30 * 86_400_000_000  # microseconds after which nothing more is expected of an order


@dataclass(frozen=True)
class Refresh:
    """What landed histories were made of.

    Attributes:
        at_us: The moment as known at which they were made, microseconds since the epoch (UTC).
        week: The shop week in which it lies.
        batch_ids: The accepted batches whose events they hold.
        view_sha256: Of the view that made them.
        items_sha256: Of the catalog that the view read.
        judged_through: Posted events up to this ``seq`` had been accepted or quarantined.
    """

    at_us: int
    week: int
    batch_ids: tuple[str, ...]
    view_sha256: str
    items_sha256: str
    judged_through: int


class Progress(NamedTuple):
    """How far landing has come.

    Attributes:
        landed_at_us: The moment as known at which the newest histories were made, microseconds since the epoch (UTC); 0
            before the first.
        behind: Posted events that were neither accepted nor quarantined then.
    """

    landed_at_us: int
    behind: int


@dataclass(frozen=True)
class Known:
    """A history, and which state it was read from: the same can be built again from what landed and was posted.

    Attributes:
        history: The shopper.
        refresh: Number of the :class:`Refresh`, 0 when none was recorded.
        posted_through: Last ``seq`` of the event log.
        was_read: False when the state could not be read, and the history is empty for that reason.
    """

    history: History
    refresh: int
    posted_through: int
    was_read: bool = True

    @classmethod
    def unread(cls, user_id: str) -> "Known":
        """Of a state that cannot be read."""
        return cls(History.empty(user_id), 0, 0, was_read=False)


@dataclass(frozen=True)
class LoggedEvent:
    """A posted event as the log keeps it; ``occurred_at`` in microseconds since the epoch."""

    event_id: str
    event_type: str
    occurred_at: int
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The body as the log keeps it."""
        return json.dumps(self.body, sort_keys=True, ensure_ascii=False)

    @property
    def is_purchase(self) -> bool:
        """Whether it becomes part of a history."""
        return self.event_type == "purchase"

    @property
    def is_redemption(self) -> bool:
        """Whether it tells that a coupon of a campaign was redeemed."""
        return self.event_type == "redemption" and "campaign_id" in self.body


class PostedRow(NamedTuple):
    """One line of the event log; ``received_at`` in ISO 8601."""

    seq: int
    event_id: str
    body: str
    received_at: str


class StateError(Exception):
    """The state cannot be read or written; the message says where and why."""


class ShopperState(Protocol):
    """Shoppers' histories, the event log, and what was put of items.

    Invariants:
        What `append` or `put` returned for is on disk, and in the very next answer of every process.
        Readers see the histories before a replacement or after it, never a part of both.

    Every method but `close` may raise :class:`StateError`.
    """

    @property
    def name(self) -> str:
        """Where it is, for messages; without a password."""

    def open(self) -> None:
        """Make what is missing, and log what is wrong with the place."""

    def history(self, user_id: str) -> History:
        """All that is known of a shopper, landed and posted; empty for an unknown one."""

    def known(self, user_id: str) -> Known:
        """The history, and from which state it is, in one snapshot."""

    def redeemed(self, user_id: str) -> frozenset[str]:
        """Campaigns of which a shopper redeemed a coupon, landed or posted."""

    async def show(self, wish: Wish) -> Shown:
        """Choose campaigns within their limits and count what is chosen, at once; returns once it is on disk."""

    def user_ids(self) -> list[str]:
        """Everybody of whom a purchase is known, landed or posted; sorted."""

    def fresh_event_ids(self) -> list[str]:
        """Ids of posted purchases that have not landed as far as this state knows; sorted."""

    def replace_histories(
        self,
        histories: Iterable[History],
        landed_event_ids: Iterable[str] = (),
        judged_through: int = 0,
        made_of: Refresh | None = None,
        redemptions: Iterable[Redemption] = (),
    ) -> int:
        """Replace all landed histories at once; readers see the old state, then the new one.

        Args:
            histories: One for each known shopper.
            landed_event_ids: Fresh purchases to forget, since ``histories`` holds them.
            judged_through: Posted events up to this ``seq`` were accepted or quarantined: forget them too.
            made_of: What the histories were made of, for a replay of what is served from them.
            redemptions: All that have landed; posted ones that were judged and are not among them are forgotten.

        Returns:
            How many shoppers are known now.
        """

    def refreshes(self) -> dict[int, Refresh]:
        """Every refresh that is recorded, by number."""

    async def append(self, events: list[LoggedEvent]) -> int:
        """Log events and what they do to histories, all or none; returns how many were new, once they are on disk.

        Of one ``event_id`` the first counts, whoever sends it again.
        """

    def posted(self, after: int, limit: int) -> list[PostedRow]:
        """Lines of the log after a sequence number, in the order of arrival; may be called in any thread."""

    def posted_through(self) -> int:
        """Last sequence number of the log, 0 before the first."""

    def progress(self) -> Progress:
        """How far landing has come; may be called in any thread."""

    @property
    def waiting(self) -> int:
        """Posted batches that are not on disk yet; never fails."""

    async def put(self, item_id: str, item: PutItem) -> None:
        """Replace what was said of an item; returns once it is on disk."""

    def said(self) -> Said:
        """What was put of all items. The same object as long as nothing changes."""

    def said_before(self) -> Said:
        """What was known of it when it was last read; never fails."""

    def how_to_go_on(self, after: int) -> str:
        """What a person does so that this log goes on after number ``after`` of one that was lost."""

    def close(self) -> None:
        """Write what waits and let go."""


def pack(history: History) -> tuple[str, bytes, bytes, bytes]:
    """Shopper, items, times and baskets, as a store keeps them."""
    return (
        history.user_id,
        msgspec.msgpack.encode(history.items.tolist()),
        history.times.astype("<i8").tobytes(),
        history.baskets.astype("<i4").tobytes(),
    )


def unpack(user_id: str, row: Columns) -> History:
    """The inverse of :func:`pack`."""
    items = np.array(msgspec.msgpack.decode(row[0]), dtype=np.str_)
    return History(user_id, items, np.frombuffer(row[1], "<i8"), np.frombuffer(row[2], "<i4"))


def put_together(
    user_id: str, landed: tuple[bytes, bytes, bytes] | None, fresh: list[Line], begun: list[Line]
) -> History:
    """One history of what landed and what was posted.

    Args:
        user_id: The shopper.
        landed: Columns as :func:`pack` gives them, None of nobody.
        fresh: Posted lines that have not landed.
        begun: Posted lines that have landed, of orders of which ``fresh`` holds more.
    """
    known = unpack(user_id, landed) if landed else History.empty(user_id)
    if not fresh:
        return known
    known, landed_part = _take_out(known, begun) if begun else (known, [])
    return _merge(known, [*fresh, *landed_part])


def _take_out(known: History, begun: list[Line]) -> tuple[History, list[Line]]:
    """Take the landed part of orders out of a history, so that it is put together anew with the rest of them.

    Args:
        known: The landed history, which keeps no basket ids.
        begun: Posted lines that have landed, of orders of which more was posted.

    Returns:
        The rest of the history, and the lines of those orders that have landed.
    """
    lines, out = list(begun), np.zeros(len(known.items), bool)
    for basket_id in {basket_id for _, _, basket_id in begun}:
        moment = min(at for _, at, basket in begun if basket == basket_id)
        items = [item for item, _, basket in begun if basket == basket_id]
        place = np.flatnonzero((known.times == moment) & np.isin(known.items, items) & ~out)
        if len(place):
            mine = known.baskets == known.baskets[place[0]]
            lines += [(item, moment, basket_id) for item in known.items[mine].tolist()]
            out |= mine
    rest = History(known.user_id, known.items[~out], known.times[~out], known.baskets[~out])
    return rest, lines


def _merge(known: History, posted: list[Line]) -> History:
    """Add posted purchases, their baskets made by the rule of the view ``basket_lines``.

    Of one moment, a landed basket comes first.
    """
    fresh = _baskets(posted)
    items = np.concatenate([known.items, np.array([row[2] for row in fresh], dtype=np.str_)])
    times = np.concatenate([known.times, np.array([row[0] for row in fresh], np.int64)])
    new_basket = [a[:2] != b[:2] for a, b in zip(fresh, fresh[:1] + fresh, strict=False)]
    first = known.baskets[-1] + 1 if len(known.baskets) else 0
    keys = np.concatenate([known.baskets, first + np.cumsum(new_basket, dtype=np.int32)])
    order = np.argsort(times, kind="stable")
    return History(known.user_id, items[order], times[order], _ordinals(keys[order]))


def _baskets(posted: list[Line]) -> list[tuple[int, str, str]]:
    """Moment, basket id and item: all lines of one basket id are one set, at the moment of the earliest."""
    moments: dict[str, int] = {}
    for _, occurred_at, basket_id in posted:
        moments[basket_id] = min(occurred_at, moments.get(basket_id, occurred_at))
    return sorted({(moments[basket_id], basket_id, item_id) for item_id, _, basket_id in posted})


def _ordinals(keys: NDArray[np.int32]) -> NDArray[np.int32]:
    changes = np.concatenate([[False], keys[1:] != keys[:-1]])
    return np.cumsum(changes, dtype=np.int32)
