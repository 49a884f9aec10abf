"""Which of the running campaigns suits a shopper, by the response that is expected. NumPy only."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError, History
from pipelines.ranking.bundle import REMEDY, read_json
from pipelines.ranking.responses import DAY_US, Lines, Rates, ResponseModel, count, features

FILE = "promotions.json"
MOST_ITEMS = 10
"""Of a coupon, in an answer."""


@dataclass(frozen=True)
class Limits:
    """How often a campaign is shown; None for no limit.

    Attributes:
        showings: To one shopper within ``showings_days``.
        showings_days: Days.
        budget_showings: To everybody, ever.
        budget_redemptions: Known ones, from which on it is shown no more.
    """

    showings: int | None
    showings_days: float
    budget_showings: int | None
    budget_redemptions: int | None


@dataclass(frozen=True)
class Running:
    """A campaign as a bundle carries it: its type, its span in microseconds since the epoch, items by coupon."""

    campaign_id: str
    kind: str
    starts_us: int
    ends_us: int
    coupons: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Shopper:
    """A shopper's history by numbers of its items, what of them was bought lately, and the campaigns redeemed."""

    item_ids: list[str]
    lines: Lines
    lately: frozenset[str]
    redeemed: frozenset[str]


@dataclass(frozen=True)
class Offer:
    """A campaign for a shopper: the coupon that suits best, its items, and how likely any coupon is redeemed."""

    campaign: Running
    coupon_id: str
    item_ids: tuple[str, ...]
    probability: float
    reason: str


class RunningCampaigns:
    """The campaigns of a bundle, and the model of responses to them.

    Args:
        told: Content of ``promotions.json``.
        shown: Items that may be shown at all.

    Raises:
        BundleError: Something is missing in it.
    """

    def __init__(self, told: Mapping[str, Any], shown: Collection[str]) -> None:
        try:
            self._rates = Rates(**told["rates"])
            self._lately_days = float(told["lately_days"])
            self._starts = np.array(told["starts_us"], np.int64)
            self._campaigns = [_running(row) for row in told["campaigns"]]
            self._limits = {name: Limits(**row) for name, row in told["limits"].items()}
            self._limit_of_all = self._limits[""]
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{FILE}: lacks {error}; {REMEDY}") from error
        self._model = ResponseModel.read(told["model"]) if told.get("model") else None
        self._shown = frozenset(shown)
        self._items = {
            one.campaign_id: frozenset(item for items in one.coupons.values() for item in items)
            for one in self._campaigns
        }

    @classmethod
    def load(cls, bundle: Path, shown: Collection[str]) -> "RunningCampaigns":
        """Read them from a bundle.

        Raises:
            BundleError: The file is missing or broken.
        """
        return cls(read_json(bundle / FILE), shown)

    def running(self, now: int) -> list[Running]:
        """Those that run at a moment."""
        return [one for one in self._campaigns if one.starts_us <= now < one.ends_us]

    @property
    def longest_days(self) -> float:
        """After so many no showing counts any more, of whatever campaign."""
        return max(limits.showings_days for limits in self._limits.values())

    def limits(self, campaign_id: str) -> Limits:
        """Of a campaign: its own, or those of all."""
        return self._limits.get(campaign_id, self._limit_of_all)

    def offers(
        self, history: History, redeemed: Collection[str], now: int, withheld: frozenset[str] = frozenset()
    ) -> list[Offer]:
        """Running campaigns with a coupon that is good for an item which may be shown, most likely redeemed first.

        Args:
            history: The shopper; of one who is not known, the rate of each campaign's type is expected.
            redeemed: Campaigns of which the shopper redeemed a coupon.
            now: Microseconds since the epoch (UTC).
            withheld: What the shop has hidden or sold out.
        """
        shopper = self.shopper(history, redeemed, now)
        found = []
        for one in self.running(now):
            if best := self._coupon(one, shopper, withheld):
                probability = self.probability(one, shopper, now)
                found.append(Offer(one, *best, probability, self._reason(one, shopper)))
        return sorted(found, key=lambda offer: (-offer.probability, offer.campaign.campaign_id))

    def probability(self, one: Running, shopper: Shopper, now: int) -> float:
        """That the shopper redeems a coupon of the campaign."""
        rate = self._rates.of_type(one.kind)
        if self._model is None or not np.any(shopper.lines.times < now):
            return rate
        wanted = self._items[one.campaign_id]
        mask: NDArray[np.bool_] = np.array([item in wanted for item in shopper.item_ids], bool)
        bought = count(shopper.lines, 1, mask, now, self._lately_days)
        begun = int((self._starts <= now).sum()) - 1  # the others
        own = self._rates.own(np.array([float(len(shopper.redeemed - {one.campaign_id}))]), begun)
        return float(self._model.probability(features(bought, own, rate, len(wanted)))[0])

    def shopper(self, history: History, redeemed: Collection[str], now: int) -> Shopper:
        """A shopper as :meth:`probability` takes one."""
        item_ids, items = np.unique(history.items, return_inverse=True)
        lines = Lines(np.zeros(len(items), np.int64), items, history.baskets.astype(np.int64), history.times)
        lately = history.items[history.times >= now - int(self._lately_days * DAY_US)]
        return Shopper(item_ids.tolist(), lines, frozenset(lately.tolist()), frozenset(redeemed))

    def _coupon(
        self, one: Running, shopper: Shopper, withheld: frozenset[str]
    ) -> tuple[str, tuple[str, ...]] | None:
        """The coupon of whose items the shopper bought most, with what may be shown of them, bought ones first."""
        lately, ever = shopper.lately, set(shopper.item_ids)
        best: tuple[tuple[int, int], str, list[str]] | None = None
        for coupon_id, items in one.coupons.items():
            shown = [item for item in items if item in self._shown and item not in withheld]
            merit = (sum(item in lately for item in shown), sum(item in ever for item in shown))
            if shown and (best is None or merit > best[0]):
                best = merit, coupon_id, shown
        if best is None:
            return None
        first = sorted(best[2], key=lambda item: (item not in lately, item not in ever))
        return best[1], tuple(first[:MOST_ITEMS])

    def _reason(self, one: Running, shopper: Shopper) -> str:
        wanted = self._items[one.campaign_id]
        if mine := len(shopper.lately & wanted):
            weeks = round(self._lately_days / 7)
            return f"you bought {mine:,} of its {len(wanted):,} items in the last {weeks} weeks"
        if before := len(shopper.redeemed - {one.campaign_id}):
            return f"you redeemed {before} other campaign{'s' if before > 1 else ''}"
        return f"of 1,000 shoppers {1000 * self._rates.of_type(one.kind):.0f} redeem a campaign like this"


def _running(row: Mapping[str, Any]) -> Running:
    coupons = {str(name): tuple(map(str, items)) for name, items in row["coupons"].items()}
    return Running(
        str(row["campaign_id"]), str(row["kind"]), int(row["starts_us"]), int(row["ends_us"]), coupons
    )
