"""Campaigns that have begun, what shoppers bought and redeemed by then, and the model of responses to them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from pipelines.features.build import load_known
from pipelines.ranking.responses import (
    Floats,
    Lines,
    Rates,
    ResponseModel,
    count,
    features,
    fit_response,
)

TYPE_WEIGHT = 1000
"""Shoppers that the rate of all counts as in that of one type."""

_LINES = """
SELECT user_id, item_id, user_id || ' ' || coalesce(basket_id, event_id) AS basket,
    min(occurred_us) AS at_us, min(epoch_us(ingested_at)) AS known_us
FROM known_events JOIN items USING (item_id)
WHERE event_type = 'purchase' AND items.recommendable
GROUP BY ALL ORDER BY ALL
"""
_REDEMPTIONS = """
SELECT user_id, campaign_id, occurred_us AS at_us, epoch_us(ingested_at) AS known_us
FROM known_events WHERE event_type = 'redemption' AND campaign_id IS NOT NULL ORDER BY ALL
"""
_CAMPAIGNS = """
SELECT campaign_id, coalesce(min(campaign_type), '') AS kind, min(starts_us) AS starts_us,
    max(ends_us) AS ends_us, list(DISTINCT item_id ORDER BY item_id) AS items
FROM known_promotions GROUP BY campaign_id ORDER BY starts_us, campaign_id
"""

_UNENDED = """
WITH promotions AS (
    SELECT *, epoch_us(starts_at) AS starts_us, epoch_us(ends_at) AS ends_us FROM read_parquet($file)
),
spans AS (
    SELECT campaign_id, coalesce(min(campaign_type), '') AS kind, min(starts_us) AS starts_us, max(ends_us) AS ends_us
    FROM promotions GROUP BY campaign_id HAVING max(ends_us) > $at_us
)
SELECT campaign_id, kind, spans.starts_us, spans.ends_us, coalesce(coupon_id, '') AS coupon,
    list(DISTINCT item_id ORDER BY item_id) AS items
FROM promotions JOIN spans USING (campaign_id) GROUP BY ALL ORDER BY spans.starts_us, campaign_id, coupon
"""


@dataclass(frozen=True)
class Campaign:
    """One campaign: its type, its span in microseconds since the epoch (UTC), and the items of its coupons."""

    campaign_id: str
    kind: str
    starts_us: int
    ends_us: int
    items: frozenset[str]


@dataclass(frozen=True)
class Learning:
    """How responses are learned.

    Attributes:
        lately_days: Days before the moment that count as lately.
        own_weight: Campaigns that the rate of all counts as in a shopper's own.
        penalty: Of the weights.
    """

    lately_days: float
    own_weight: float
    penalty: float


@dataclass(frozen=True)
class Asked:
    """A campaign as it began: who was a shopper then, shape ``(n,)``, and their features ``(n, features)``."""

    campaign: Campaign
    users: NDArray[np.int64]
    rows: Floats


class CampaignPast:
    """All that is known at a moment, to be looked at as of earlier ones.

    Args:
        events: Parquet of the events contract plus ``week``.
        items: Parquet of the items contract.
        promotions: Parquet of the promotions contract.
        at_us: The moment, microseconds since the epoch (UTC).
        week: The shop week that begins at it.
        learning: How responses are learned.
    """

    def __init__(
        self, events: Path, items: Path, promotions: Path, at_us: int, week: int, learning: Learning
    ) -> None:
        self.at_us, self.learning = at_us, learning
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            load_known(database, events, items, at_us, week, promotions=promotions)
            lines, redeemed = (database.execute(sql).fetchnumpy() for sql in (_LINES, _REDEMPTIONS))
            self.campaigns = [
                Campaign(name, kind, starts, ends, frozenset(found))
                for name, kind, starts, ends, found in database.execute(_CAMPAIGNS).fetchall()
            ]
        everybody = np.concatenate([lines["user_id"], redeemed["user_id"]]).astype(np.str_)
        self.user_ids, users = np.unique(everybody, return_inverse=True)
        self._item_ids, numbers = np.unique(lines["item_id"].astype(np.str_), return_inverse=True)
        _, baskets = np.unique(lines["basket"].astype(np.str_), return_inverse=True)
        self._lines = Lines(users[: len(numbers)], numbers, baskets, lines["at_us"].astype(np.int64))
        self._lines_known = lines["known_us"].astype(np.int64)
        self._redeemers = users[len(numbers) :]
        self._redeemed = redeemed["campaign_id"].astype(np.str_)
        self._redeemed_known = redeemed["known_us"].astype(np.int64)
        self._there: dict[int, NDArray[np.int64]] = {}

    @cached_property
    def asked(self) -> list[Asked]:
        """Every campaign as it began, as known then."""
        return [self._ask(campaign) for campaign in self.campaigns]

    def redeemers(self, campaign_id: str, at_us: int) -> NDArray[np.int64]:
        """Shoppers of whom a redemption of the campaign was known at a moment."""
        mine = (self._redeemed == campaign_id) & (self._redeemed_known <= at_us)
        return np.unique(self._redeemers[mine])

    def rates(self, at_us: int) -> Rates:
        """Of the campaigns that had ended by a moment, as known then."""
        shoppers: dict[str, float] = {}
        redeemed: dict[str, float] = {}
        for one in (one for one in self.campaigns if one.ends_us <= at_us):
            there = self._shoppers(one.starts_us)
            answered = np.isin(there, self.redeemers(one.campaign_id, at_us)).sum()
            shoppers[one.kind] = shoppers.get(one.kind, 0) + len(there)
            redeemed[one.kind] = redeemed.get(one.kind, 0) + float(answered)
        base = (sum(redeemed.values()) + 1) / (sum(shoppers.values()) + 200)
        types = {
            kind: (redeemed[kind] + TYPE_WEIGHT * base) / (shoppers[kind] + TYPE_WEIGHT) for kind in shoppers
        }
        return Rates(base, types, self.learning.own_weight)

    def fit(self, at_us: int, only: NDArray[np.bool_] | None = None) -> ResponseModel | None:
        """The model of what was known at a moment, None where no campaign had ended that somebody redeemed.

        Args:
            at_us: The moment.
            only: Which rows of all :attr:`asked` together are learned from, such as those who were sent a campaign.
        """
        if not any(one.campaign.ends_us <= at_us for one in self.asked):
            return None
        ended = np.repeat(
            [one.campaign.ends_us <= at_us for one in self.asked], [len(one.users) for one in self.asked]
        )
        chosen = ended if only is None else ended & only
        labels = self.labels(at_us)[chosen]
        if not labels.any():
            return None
        rows = np.concatenate([one.rows for one in self.asked])[chosen]
        return fit_response(rows, labels, self.learning.penalty, self.rates(at_us).base)

    def labels(self, at_us: int) -> NDArray[np.bool_]:
        """Whether each row of all :attr:`asked` together was known as redeemed at a moment."""
        return np.concatenate(
            [np.isin(one.users, self.redeemers(one.campaign.campaign_id, at_us)) for one in self.asked]
        )

    def _ask(self, campaign: Campaign) -> Asked:
        at_us, rates = campaign.starts_us, self.rates(campaign.starts_us)
        known = self._lines.take(self._known(at_us))
        wanted = np.isin(self._item_ids, np.array(sorted(campaign.items)))
        bought = count(known, len(self.user_ids), wanted, at_us, self.learning.lately_days)
        redeemed = np.zeros(len(self.user_ids))
        others = [one for one in self.campaigns if one.starts_us < at_us]
        for one in others:
            redeemed[self.redeemers(one.campaign_id, at_us)] += 1
        own = rates.own(redeemed, len(others))
        rows = features(bought, own, rates.of_type(campaign.kind), len(campaign.items))
        shoppers = self._shoppers(at_us)
        return Asked(campaign, shoppers, rows[shoppers])

    def _shoppers(self, at_us: int) -> NDArray[np.int64]:
        """Who had bought something by a moment, as known then."""
        if at_us not in self._there:
            self._there[at_us] = np.unique(self._lines.users[self._known(at_us)])
        return self._there[at_us]

    def _known(self, at_us: int) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = (self._lines_known <= at_us) & (self._lines.times < at_us)
        return known


def told_promotions(
    past: CampaignPast, promotions: Path, limits: Mapping[str, Mapping[str, float | None]]
) -> dict[str, Any]:
    """What a bundle carries as ``promotions.json``: the model, and every campaign that has not ended.

    Args:
        past: What is known at the moment; nothing of later is learned from.
        promotions: Parquet of the promotions contract, with campaigns that began since.
        limits: Of single campaigns, and of all under ``""``.
    """
    with duckdb.connect() as database:
        rows = database.execute(_UNENDED, {"file": str(promotions), "at_us": past.at_us}).fetchall()
    campaigns: dict[str, dict[str, Any]] = {}
    for name, kind, starts_us, ends_us, coupon, items in rows:
        about = {"campaign_id": name, "kind": kind, "starts_us": starts_us, "ends_us": ends_us}
        campaigns.setdefault(name, about | {"coupons": {}})["coupons"][coupon] = items
    known = {one.campaign_id: one.starts_us for one in past.campaigns}
    known |= {name: row["starts_us"] for name, row in campaigns.items()}
    model = past.fit(past.at_us)
    return {
        "model": None if model is None else model.told(),
        "rates": asdict(past.rates(past.at_us)),
        "lately_days": past.learning.lately_days,
        "starts_us": sorted(known.values()),
        "campaigns": list(campaigns.values()),
        "limits": {name: dict(row) for name, row in limits.items()},
    }
