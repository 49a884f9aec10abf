"""How well redemptions are foretold: each campaign from those that had ended when it began."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.folds import Moment
from pipelines.params import Promotions
from pipelines.ranking.fitting.campaigns import CampaignPast, Learning
from pipelines.ranking.responses import FEATURES

K = 10
RESPONSE, TYPE_RATE, OWN_RATE = "response", "type_rate", "own_rate"
METRICS = ("auc", "auc_within", "precision_at_10")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Foretold:
    """Of one campaign: its shoppers by number, who redeemed, and the score of each by system; shapes ``(n,)``."""

    campaign_id: str
    users: NDArray[np.int64]
    redeemed: NDArray[np.bool_]
    scores: Mapping[str, Floats]

    def take(self, rows: NDArray[np.bool_]) -> "Foretold":
        """Some of the shoppers."""
        scores = {name: column[rows] for name, column in self.scores.items()}
        return Foretold(self.campaign_id, self.users[rows], self.redeemed[rows], scores)


def read_campaigns(fold: str, moment: Moment, promotions: Promotions) -> CampaignPast:
    """The campaigns as known at a fold's moment."""
    validated = Path("data/validated")
    files = (Path(f"data/split/{fold}_events.parquet"), validated / "items.parquet")
    learning = Learning(**promotions.learning())
    return CampaignPast(*files, validated / "promotions.parquet", moment.at_us, moment.week, learning)


def foretell(past: CampaignPast, only: NDArray[np.bool_] | None = None) -> list[Foretold]:
    """Every campaign from what was known when it began; without those before which there was nothing to learn from.

    Of one that has not ended, who has redeemed so far.

    Args:
        past: What is known.
        only: Which rows are learned from, as of :meth:`CampaignPast.fit`.
    """
    found = []
    for one in past.asked:
        campaign = one.campaign
        if (model := past.fit(campaign.starts_us, only)) is not None:
            scores = {
                RESPONSE: model.probability(one.rows),
                **{name: one.rows[:, FEATURES.index(name)] for name in (TYPE_RATE, OWN_RATE)},
            }
            redeemed = np.isin(one.users, past.redeemers(campaign.campaign_id, past.at_us))
            found.append(Foretold(campaign.campaign_id, one.users, redeemed, scores))
    return found


def measure_responses(foretold: list[Foretold], samples: int, seed: int) -> dict[str, object]:
    """Figures over all campaigns together and of each, with 95 % intervals by resampling shoppers.

    Args:
        foretold: The campaigns.
        samples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        ``pairs`` of shopper and campaign, ``redeemed`` of them, and of each system ``auc`` over all pairs,
        ``auc_within`` over the pairs of each campaign, and ``precision_at_10``, the share of the ten best shoppers
        of a campaign that redeemed, mean of the campaigns; ``above`` is how much the first system is above the others
        by each; ``campaigns`` has the same a campaign. Only ``pairs`` where nobody redeemed.
    """
    answered = [one for one in foretold if one.redeemed.any()]
    if not answered:
        return {"pairs": sum(len(one.users) for one in foretold), "redeemed": 0}
    users = 1 + max(int(one.users.max()) for one in foretold)
    drawn = np.random.default_rng(seed).multinomial(users, np.full(users, 1 / users), size=samples)
    weights = np.vstack([np.ones(users), drawn])
    systems = list(foretold[0].scores)
    own = {name: [_parts(one, one.scores[name], weights) for one in answered] for name in systems}
    pooled = {name: _summary(own[name]) | {"auc": _pooled_auc(foretold, name, weights)} for name in systems}
    return {
        "pairs": sum(len(one.users) for one in foretold),
        "redeemed": sum(int(one.redeemed.sum()) for one in foretold),
        **{metric: {name: _interval(pooled[name][metric]) for name in systems} for metric in METRICS},
        "above": {
            metric: {
                name: _interval(pooled[systems[0]][metric] - pooled[name][metric]) for name in systems[1:]
            }
            for metric in METRICS
        },
        "campaigns": [
            _campaign(one, {name: own[name][place] for name in systems}) for place, one in enumerate(answered)
        ],
    }


@dataclass(frozen=True)
class _Parts:
    """Of one campaign and system, by sample: pairs in the right order, all pairs, and precision; ``(samples + 1,)``."""

    right: Floats
    pairs: Floats
    precision: Floats


def _parts(one: Foretold, scores: Floats, weights: Floats) -> _Parts:
    mine = weights[:, one.users]
    right, pairs = ordered_pairs(scores, one.redeemed, mine)
    return _Parts(right, pairs, precision_at(K, scores, one.redeemed, mine))


def _summary(parts: list[_Parts]) -> dict[str, Floats]:
    right, pairs = (sum(getattr(one, name) for one in parts) for name in ("right", "pairs"))
    return {
        "auc_within": _ratio(right, pairs),
        "precision_at_10": np.mean([one.precision for one in parts], axis=0),
    }


def _pooled_auc(foretold: list[Foretold], name: str, weights: Floats) -> Floats:
    users, redeemed, scores = (
        np.concatenate(columns)
        for columns in zip(*((one.users, one.redeemed, one.scores[name]) for one in foretold), strict=True)
    )
    found = [
        _ratio(*ordered_pairs(scores, redeemed, piece[:, users])) for piece in np.array_split(weights, 20)
    ]
    return np.concatenate(found)


def ordered_pairs(scores: Floats, redeemed: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """Weighed pairs of one who redeemed and one who did not: with the first scored higher (ties half), and all.

    Args:
        scores: Shape ``(n,)``.
        redeemed: Shape ``(n,)``.
        weights: A row a sample, shape ``(samples, n)``.
    """
    order = np.argsort(scores, kind="stable")
    opens = np.flatnonzero(np.append(True, np.diff(scores[order]) > 0))
    sorted_weights, label = weights[:, order], redeemed[order]
    yes = np.add.reduceat(sorted_weights * label, opens, axis=1)
    no = np.add.reduceat(sorted_weights * ~label, opens, axis=1)
    below = np.cumsum(no, axis=1) - no / 2
    return (yes * below).sum(axis=1), yes.sum(axis=1) * no.sum(axis=1)


def precision_at(k: int, scores: Floats, redeemed: NDArray[np.bool_], weights: Floats) -> Floats:
    """Share that redeemed of the ``k`` best by each sample; among equal scores, who redeemed stands last."""
    order = np.lexsort((redeemed, -scores))
    taken = np.minimum(np.cumsum(weights[:, order], axis=1), k)
    taken = np.diff(taken, axis=1, prepend=0)
    return np.asarray((taken * redeemed[order]).sum(axis=1) / np.maximum(taken.sum(axis=1), 1), np.float64)


def _campaign(one: Foretold, parts: Mapping[str, _Parts]) -> dict[str, Any]:
    return {
        "campaign_id": one.campaign_id,
        "shoppers": len(one.users),
        "redeemed": int(one.redeemed.sum()),
        "auc": {name: _interval(_ratio(part.right, part.pairs)) for name, part in parts.items()},
        "precision_at_10": {name: _interval(part.precision) for name, part in parts.items()},
    }


def _ratio(right: Floats, pairs: Floats) -> Floats:
    found: Floats = np.divide(right, pairs, out=np.full(len(right), np.nan), where=pairs > 0)
    return found


def _interval(values: Floats) -> dict[str, float]:
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return {"mean": float(values[0]), "low": float(low), "high": float(high)}
