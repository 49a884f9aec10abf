"""Learns the weights of a blend, non-negative and deterministic.

A listwise softmax loss is smooth but is not the metric: what it finds, and each strong input alone, is
refined by a coordinate search on NDCG@10 itself. A blend that is only compared with gets the same care.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from pipelines.ranking.components import Component, known_places, normalise

Scores = NDArray[np.float64]

STARTS = 2
ROUNDS = 3
BROUGHT_IN = (0.05, 0.2, 0.5)
SCALED = (0.5, 0.75, 1.33, 2.0)
WORTH_IT = 1e-5


class WeightsError(Exception):
    """Weights cannot be learned; the message says what is missing."""


@dataclass(frozen=True)
class CandidateSets:
    """Candidates of each shopper, padded to one width.

    Attributes:
        values: Normalised scores, shape ``(shoppers, candidates, components)``.
        label: 1 where bought, shape ``(shoppers, candidates)``.
        present: False for padding, same shape.
    """

    values: NDArray[np.float64]
    label: NDArray[np.float64]
    present: NDArray[np.bool_]

    def only(self, components: Sequence[int]) -> "CandidateSets":
        """The same candidates with some components, in the given order."""
        return CandidateSets(self.values[:, :, list(components)], self.label, self.present)


def candidate_sets(
    scored: Iterable[tuple[dict[str, Scores], NDArray[np.int64]]], components: Sequence[Component], depth: int
) -> CandidateSets:
    """The best of every component, per shopper.

    Args:
        scored: Per shopper, raw scores by system and the positions that were bought.
        components: The inputs of the blend.
        depth: Candidates taken from each component.

    Raises:
        WeightsError: There is no shopper.
    """
    rows = [_candidates(raw, bought, components, depth) for raw, bought in scored]
    if not rows:
        raise WeightsError(
            "no household of the validation week has a history: land more weeks before deciding"
        )
    width = max(len(label) for _, label in rows)
    values = np.zeros((len(rows), width, len(components)))
    label, present = np.zeros((len(rows), width)), np.zeros((len(rows), width), bool)
    for row, (found, hit) in enumerate(rows):
        values[row, : len(hit)], label[row, : len(hit)], present[row, : len(hit)] = found, hit, True
    return CandidateSets(values, label, present)


def _candidates(
    raw: dict[str, Scores], bought: NDArray[np.int64], components: Sequence[Component], depth: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    systems = dict.fromkeys(component.system for component in components)
    chosen = np.unique(np.concatenate([_best(raw[system], depth) for system in systems]))
    scaled = [normalise(raw[component.system], component.scale, chosen) for component in components]
    return np.stack(scaled, axis=1), np.isin(chosen, bought).astype(np.float64)


def _best(scores: Scores, depth: int) -> NDArray[np.int64]:
    """The best places of one system among those it says something of: most know a few hundred items."""
    known = known_places(scores)
    if len(known) <= depth:
        return known
    return known[np.argpartition(-scores[known], depth - 1)[:depth]]


def learn_blend(sets: CandidateSets, penalty: float) -> NDArray[np.float64]:
    """The best weights on NDCG@10 of several refined starts.

    Args:
        sets: Candidates of the validation fold.
        penalty: Of :func:`learn_weights`.

    Returns:
        One weight a component, rounded to six digits so that equal evidence gives equal bytes.
    """
    columns = np.eye(sets.values.shape[-1])
    alone = [ndcg(sets.values[:, :, place], sets) for place in range(len(columns))]
    strongest = [columns[place] for place in np.argsort(alone, kind="stable")[::-1][:STARTS]]
    refined = [refine_weights(sets, start) for start in (learn_weights(sets, penalty), *strongest)]
    best = int(np.argmax([ndcg(sets.values @ weights, sets) for weights in refined]))
    return np.round(refined[best], 6)


def refine_weights(sets: CandidateSets, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinate search on NDCG@10: each weight is scaled, dropped or brought in while that helps."""
    weights, total = start.copy(), sets.values @ start
    best = ndcg(total, sets)
    for _ in range(ROUNDS):
        before, unit = best, float(weights.max())
        for column in range(len(weights)):
            moves = (
                {unit * share for share in BROUGHT_IN}
                | {weights[column] * factor for factor in SCALED}
                | {0.0}
            )
            for move in sorted(moves - {weights[column]}):
                trial = total + (move - weights[column]) * sets.values[:, :, column]
                quality = ndcg(trial, sets)
                if quality > best + WORTH_IT:
                    best, total, weights[column] = quality, trial, move
        if best - before < WORTH_IT:
            break
    return weights


def ndcg(scores: NDArray[np.float64], sets: CandidateSets, k: int = 10) -> float:
    """Mean NDCG at ``k`` over the shoppers, of what their candidates can reach.

    Args:
        scores: Shape ``(shoppers, candidates)``.
        sets: The candidates; padding never reaches the list.
        k: Places.
    """
    scores = np.where(sets.present, scores, -np.inf)
    k = min(k, scores.shape[1])
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    gains = np.take_along_axis(sets.label, np.take_along_axis(top, order, axis=1), axis=1)
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(sets.label.sum(axis=1), k).astype(int)]
    return float(np.mean(gains @ discount / np.maximum(ideal, 1e-9)))


def learn_weights(sets: CandidateSets, penalty: float) -> NDArray[np.float64]:
    """Non-negative weights of least listwise softmax loss (L-BFGS-B).

    Args:
        sets: Candidates with labels.
        penalty: Weight of the squared norm.

    Returns:
        One weight a component.

    Raises:
        WeightsError: Nobody bought any candidate.
    """
    count = sets.label.sum(axis=1)
    used = count > 0
    if not used.any():
        raise WeightsError(
            "nobody bought any candidate in the validation week: is it the week after the history?"
        )
    values, present, target = sets.values[used], sets.present[used], sets.label[used] / count[used, None]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = np.where(present, values @ weights, -np.inf)
        top = logits.max(axis=1, keepdims=True)
        mass = np.exp(logits - top)
        total = mass.sum(axis=1, keepdims=True)
        wanted = (target * np.where(present, logits, 0.0)).sum(axis=1)
        value = (np.log(total[:, 0]) + top[:, 0] - wanted).mean() + penalty * (weights**2).sum()
        slope = np.einsum("bn,bnc->c", mass / total - target, values) / len(values) + 2 * penalty * weights
        return float(value), slope

    start = np.ones(values.shape[-1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start))
    weights: NDArray[np.float64] = found.x
    return weights
