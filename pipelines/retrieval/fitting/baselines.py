"""Fits the generators that need no gradient, from the feature views of a fold."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from pipelines.features.purchases import Purchases
from pipelines.params import Als, FitBaselines
from pipelines.retrieval.companions import Companions
from pipelines.retrieval.factors import Factors
from pipelines.retrieval.fitting.reading import column
from pipelines.retrieval.markov import Transitions
from pipelines.retrieval.neighbours import Neighbours
from pipelines.tables import read_table

COPURCHASE_WEEKS = 26
"""As the view ``copurchases`` looks back."""

Coded = tuple[NDArray[np.int64], NDArray[np.int64], pa.Table]


def codes(values: pa.ChunkedArray, item_ids: NDArray[np.str_]) -> NDArray[np.int64]:
    """Position of each id in the sorted ``item_ids``."""
    encoded = values.combine_chunks().dictionary_encode()
    place = np.searchsorted(item_ids, encoded.dictionary.to_numpy(zero_copy_only=False).astype(np.str_))
    found: NDArray[np.int64] = place[encoded.indices.to_numpy()]
    return found


def fit_transitions(params: FitBaselines, features: Path, item_ids: NDArray[np.str_]) -> Transitions:
    """Transitions as probabilities, damped by the popularity of what follows, the strongest of each item."""
    table = read_table(features / "basket_transitions.parquet")
    before, after = codes(table["item_id"], item_ids), codes(table["next_item_id"], item_ids)
    counts = column(table, "transitions").astype(np.float64)
    items = len(item_ids)
    leaving, arriving = np.bincount(before, counts, items), np.bincount(after, counts, items)
    weight = counts / (leaving[before] + 5.0) / (arriving[after] + 5.0) ** params.popularity_damping
    order = np.lexsort((after, -weight, before))
    before, after, weight = before[order], after[order], weight[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(before, minlength=items))])
    kept = np.arange(len(before)) - starts[before] < params.transitions_per_item
    offsets = np.concatenate([[0], np.cumsum(np.bincount(before[kept], minlength=items))])
    return Transitions(
        offsets.astype(np.int64), after[kept].astype(np.int32), weight[kept].astype(np.float32)
    )


def fit_neighbours(params: FitBaselines, purchases: Purchases) -> Neighbours:
    """Profiles: damped, decayed counts, of unit length after inverse-popularity weighting."""
    shape = (len(purchases.user_ids), len(purchases.item_ids))
    weight = params.neighbour_decay ** (-purchases.day / 7.0)
    profile = sparse.csr_matrix((weight, (purchases.shopper, purchases.item)), shape=shape)
    profile.sum_duplicates()
    buyers = np.bincount(profile.indices, minlength=shape[1])
    rarity = np.log(shape[0] / (1.0 + buyers)).clip(0.1).astype(np.float32)
    like = profile.copy()
    like.data = np.sqrt(like.data) * rarity[like.indices]
    length = np.sqrt(np.asarray(like.multiply(like).sum(axis=1)).ravel()).clip(1e-6)
    like.data /= np.repeat(length, np.diff(like.indptr))
    by_item = like.tocsc()
    total = np.asarray(profile.sum(axis=1)).ravel().clip(1e-6)
    votes = profile.data / np.repeat(total, np.diff(profile.indptr))
    return Neighbours(
        item_offsets=by_item.indptr.astype(np.int64),
        profile=by_item.indices.astype(np.int32),
        likeness=by_item.data.astype(np.float32),
        inverse_frequency=rarity,
        profile_offsets=profile.indptr.astype(np.int64),
        item=profile.indices.astype(np.int32),
        vote=votes.astype(np.float32),
        decay=np.array([params.neighbour_decay]),
        count=np.array([params.neighbours]),
    )


def fit_factors(params: Als, purchases: Purchases) -> Factors:
    """Item vectors by alternating least squares; each of a shopper's purchases adds to the confidence in its item."""
    confidence = params.alpha * params.decay ** (-purchases.day / 7.0)
    shape = (len(purchases.user_ids), len(purchases.item_ids))
    seen = sparse.csr_matrix((confidence, (purchases.shopper, purchases.item)), shape, dtype=np.float32)
    seen.sum_duplicates()
    seen.data += 1.0
    # One thread inside each product: its own threads share the rows, and the order of sums stays the same.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=params.factors,
            regularization=params.regularization,
            iterations=params.iterations,
            random_state=params.seed,
        )
        model.fit(seen, show_progress=False)
        vectors = np.asarray(model.item_factors, np.float32)
        wide = vectors.astype(np.float64)
        gram = wide.T @ wide + params.regularization * np.eye(params.factors)
    return Factors(vectors, gram, np.array([params.decay]), np.array([params.alpha]))


def fit_companions(damping: float, features: Path, item_ids: NDArray[np.str_], week: int) -> Companions:
    """What is bought together with each item.

    Args:
        damping: An item that is bought anyway is asked for less, by its number of baskets to this power.
        features: Of the fold.
        item_ids: The catalog.
        week: Of the moment; pairs are counted in the ``COPURCHASE_WEEKS`` before it.
    """
    table = read_table(features / "copurchases.parquet")
    item, other = codes(table["item_id"], item_ids), codes(table["other_item_id"], item_ids)
    strength, support = column(table, "strength"), column(table, "support")
    order = np.lexsort((other, -strength, item))
    item, other, strength, support = item[order], other[order], strength[order], support[order]
    baskets, all_baskets = _baskets_of(features, item_ids, week - COPURCHASE_WEEKS)
    columns = {
        "strength": strength,
        "baskets": support,
        "lift": support * all_baskets / (baskets[item] * baskets[other]),
        "pull": support / (baskets[item] * baskets[other] ** damping),
    }
    starts = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=len(item_ids)))])
    place = np.arange(len(item)) - starts[item]
    shape = (len(item_ids), int(place.max(initial=0)) + 1)
    placed: dict[str, NDArray[Any]] = {"item": np.full(shape, -1, np.int32)}
    placed["item"][item, place] = other
    for name, values in columns.items():
        placed[name] = np.zeros(shape, np.int32 if name == "baskets" else np.float32)
        placed[name][item, place] = values
    return Companions(**placed)


def _baskets_of(features: Path, item_ids: NDArray[np.str_], since: int) -> tuple[NDArray[np.float64], int]:
    """In how many baskets each item was, at least one, and how many baskets there were."""
    lines = read_table(features / "basket_lines.parquet")
    lines = lines.filter(pc.greater_equal(lines["week"], since))
    count = np.bincount(codes(lines["item_id"], item_ids), minlength=len(item_ids))
    all_baskets = lines.select(["user_id", "basket"]).group_by(["user_id", "basket"]).aggregate([]).num_rows
    return np.maximum(count, 1).astype(np.float64), all_baskets
