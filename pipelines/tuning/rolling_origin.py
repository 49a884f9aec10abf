"""Judges choices of the sequence model on past weeks, each foretold by a model fitted before it (rolling origin)."""

from collections.abc import Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from pipelines.features.purchases import Purchases
from pipelines.metrics import ndcg_at_k, relevant_ranks
from pipelines.retrieval.fitting.sequence_config import SequenceConfig
from pipelines.retrieval.fitting.sequence_data import SELLABLE_WEEKS, known_shoppers, weekly_targets
from pipelines.retrieval.fitting.sequence_training import fit_sequence, read_examples
from pipelines.retrieval.sequence import SequenceScorer, top_k

K = 10
LISTED = 100
"""Places of a list that are looked at: more than K, so that ties at the end of it are seen."""


def ndcg_of_week(purchases: Purchases, config: SequenceConfig, week: int) -> NDArray[np.float64]:
    """NDCG@10 of each household that bought in ``week`` and before, by a model fitted on all weeks before it.

    Args:
        purchases: Those of ``week`` are only used as truth, those after it not at all.
        config: Sizes and training choices.
        week: The origin.

    Returns:
        One value a household, in the order of their ids.

    Raises:
        TrainingError: The loss is not a number, or no week is left to learn from.
    """
    past = purchases.as_of(week)
    keras.backend.clear_session()  # a search fits many models in one process
    arrays = fit_sequence(read_examples(past, config), config)
    recent = past.item[past.week >= week - SELLABLE_WEEKS]
    scorer = SequenceScorer(arrays, np.unique(recent))
    return np.array(list(_each_household(purchases, past, scorer, week)))


def _each_household(
    purchases: Purchases, past: Purchases, scorer: SequenceScorer, week: int
) -> Iterator[float]:
    shoppers = known_shoppers(purchases, week)
    group, bought = weekly_targets(purchases, week, shoppers)
    starts = np.searchsorted(past.shopper, [shoppers, shoppers + 1])
    for place, (begin, end) in enumerate(starts.T):
        mine = slice(begin, end)
        scores = scorer.score(past.item[mine].astype(np.int64), -past.day[mine], past.basket[mine])
        best = top_k(scores, LISTED)
        wanted = set(bought[group == place].astype(str))
        ranks = relevant_ranks(scorer.sellable[best].astype(str), scores[best].astype(np.float64), wanted)
        yield ndcg_at_k(ranks, len(wanted), K)
