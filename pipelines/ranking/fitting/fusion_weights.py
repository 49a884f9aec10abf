"""Non-negative weights of a fusion where each user took one item next: listwise softmax, then NDCG@10 itself."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Weights = NDArray[np.float64]

PENALTY = 1e-4
STARTS = 2
ROUNDS = 3
BROUGHT_IN = (0.05, 0.2, 0.5)
SCALED = (0.5, 0.8, 1.25, 2.0)
WORTH_IT = 1e-5
PLACES = 10


@dataclass(frozen=True)
class Rivals:
    """Candidates that a target competes with, by how far each component puts them ahead of it.

    Attributes:
        lead: Value of the rival less value of the target, 0 for padding, shape ``(components, users, rivals)``.
        present: False for padding and for the target itself, shape ``(users, rivals)``.
    """

    lead: NDArray[np.float32]
    present: NDArray[np.bool_]

    def only(self, components: list[int]) -> "Rivals":
        """The same rivals with some components."""
        return Rivals(self.lead[components], self.present)

    def total(self, weights: Weights) -> NDArray[np.float32]:
        """Weighted lead of each rival, shape ``(users, rivals)``."""
        flat = self.lead.reshape(len(self.lead), -1)
        return (weights.astype(np.float32) @ flat).reshape(self.present.shape)

    def ndcg(self, total: NDArray[np.float32]) -> float:
        """Mean NDCG at ten places; a rival level with the target stands before it."""
        rank = 1 + ((total >= 0) & self.present).sum(axis=1)
        return float(np.where(rank <= PLACES, 1.0 / np.log2(rank + 1.0), 0.0).mean())


def learn_weights(rivals: Rivals) -> Weights:
    """The best weights on NDCG@10 of several refined starts, with a sum of 1.

    Args:
        rivals: Of at least one user.
    """
    singles = np.eye(len(rivals.lead))
    alone = [rivals.ndcg(rivals.lead[place]) for place in range(len(singles))]
    strongest = [singles[place] for place in np.argsort(alone, kind="stable")[::-1][:STARTS]]
    refined = [_refined(rivals, start) for start in (_softmax_weights(rivals), *strongest)]
    best = max(refined, key=lambda found: found[0])[1]
    weights: Weights = best / best.sum()
    return weights


def _softmax_weights(rivals: Rivals) -> Weights:
    """Weights of least listwise softmax loss (L-BFGS-B); all equal when that leaves none."""
    flat = rivals.lead.reshape(len(rivals.lead), -1)

    def loss(weights: Weights) -> tuple[float, Weights]:
        total = np.where(rivals.present, rivals.total(weights), -np.inf)
        top = np.maximum(total.max(axis=1, initial=-np.inf), 0.0)[:, None]
        mass = np.exp(total - top)
        whole = mass.sum(axis=1, keepdims=True) + np.exp(-top)  # the target's own lead is 0
        value = float((np.log(whole) + top).mean() + PENALTY * (weights**2).sum())
        slope = flat @ (mass / whole).ravel() / len(total) + 2 * PENALTY * weights
        return value, np.asarray(slope, np.float64)

    start = np.ones(len(flat))
    found: Weights = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start)).x
    return found if found.sum() > 0 else start


def _refined(rivals: Rivals, start: Weights) -> tuple[float, Weights]:
    """Coordinate search on NDCG@10: each weight is scaled, dropped or brought in while that helps."""
    weights, total = start.copy(), rivals.total(start)
    best = rivals.ndcg(total)
    for _ in range(ROUNDS):
        before = best
        for place in range(len(weights)):
            for move in _moves(weights, place):
                trial = total + np.float32(move - weights[place]) * rivals.lead[place]
                quality = rivals.ndcg(trial)
                if quality > best + WORTH_IT:
                    best, total, weights[place] = quality, trial, move
        if best - before < WORTH_IT:
            break
    return best, weights


def _moves(weights: Weights, place: int) -> Iterable[float]:
    unit, own = float(weights.max()), float(weights[place])
    moves = {unit * share for share in BROUGHT_IN} | {own * factor for factor in SCALED}
    if own < weights.sum():
        moves.add(0.0)
    return sorted(moves - {own})
