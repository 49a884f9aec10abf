"""Ranking the whole catalog: ranks and figures worked out by hand, NDCG as scikit-learn gives it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from pipelines.evaluation import full_ranking
from pipelines.evaluation.full_ranking import (
    Seen,
    metrics_at,
    rank_catalog,
    rank_fusion,
    rank_targets,
    target_ranks,
)
from pipelines.ranking.components import Component
from pipelines.ranking.fusion import Fusion
from pipelines.retrieval.interactions import Interactions

NOT_RANKED = -np.inf


@dataclass
class Recited:
    """Scores that are said to it, one row for each user in turn of the first item of the history."""

    rows: np.ndarray
    config: Any = None
    name: ClassVar[str] = "recited"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def fit(self, train: Interactions, *, seed: int, watch: object = None) -> None: ...

    def score(self, histories: Interactions) -> np.ndarray:
        return self.rows[histories.item[histories.offsets[:-1]]].astype(np.float32)


def test_rank_targets__puts_a_target_behind_its_ties() -> None:
    scores = np.array([[5, 3, 3, 1], [2, 2, 2, 2], [0, 9, NOT_RANKED, 1], [NOT_RANKED, 1, 2, 3]], np.float32)
    assert rank_targets(scores, np.array([1, 0, 3, 0])).tolist() == [3, 4, 2, 5]


def test_metrics_at__by_hand() -> None:
    found = metrics_at(np.array([1, 3, 5, 6]), (5,))
    assert found["ndcg_at_5"].tolist() == pytest.approx([1.0, 0.5, 0.386853, 0.0], abs=1e-6)
    assert found["recall_at_5"].tolist() == [1, 1, 1, 0]
    assert found["mrr_at_5"].tolist() == pytest.approx([1.0, 1 / 3, 0.2, 0.0])


def test_metrics_at__agrees_with_scikit_learn_where_nothing_ties() -> None:
    random = np.random.default_rng(0)
    scores, target = random.normal(size=(40, 30)).astype(np.float32), random.integers(0, 30, 40)
    truth = np.zeros(scores.shape)
    truth[np.arange(40), target] = 1.0
    for k in (5, 10, 20):
        ours = metrics_at(rank_targets(scores, target), (k,))[f"ndcg_at_{k}"]
        assert ours.mean() == pytest.approx(ndcg_score(truth, scores, k=k))


ROWS = np.array([[4, 9, 1, 3], [8, 2, 2, 1], [1, 1, 7, 0], [6, 5, 4, 3]])
HISTORIES = Interactions.of([[0, 1], [1], [2, 0], [3]], 4)


def test_rank_catalog__leaves_seen_items_out_and_loses_a_target_that_was_seen() -> None:
    # User 0 saw 0 and 1, so that 3 leads; user 2 saw 2 and 0, and its target 0 is lost.
    found = rank_catalog(Recited(ROWS), HISTORIES, np.array([3, 2, 0, 0]), seen=Seen.FILTERED, depth=3)
    assert found.rank.tolist() == [1, 2, 5, 1]
    assert found.lists.item.tolist() == [[3, 2, -1], [0, 2, 3], [1, 3, -1], [0, 1, 2]]


def test_rank_catalog__ranks_seen_items_when_they_are_kept() -> None:
    found = rank_catalog(Recited(ROWS), HISTORIES, np.array([3, 2, 0, 0]), seen=Seen.KEPT, depth=2)
    assert found.rank.tolist() == [3, 3, 3, 1]
    assert found.lists.item.tolist() == [[1, 0], [0, 1], [2, 0], [0, 1]]


def test_rank_catalog__is_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    target = np.array([3, 2, 0, 0])
    whole = rank_catalog(Recited(ROWS), HISTORIES, target, seen=Seen.FILTERED, depth=2)
    monkeypatch.setattr(full_ranking, "CELLS", 4)
    pieces = rank_catalog(Recited(ROWS), HISTORIES, target, seen=Seen.FILTERED, depth=2)
    assert pieces.rank.tolist() == whole.rank.tolist()
    assert pieces.lists.item.tolist() == whole.lists.item.tolist()
    assert target_ranks(Recited(ROWS), HISTORIES, target, Seen.FILTERED).tolist() == whole.rank.tolist()


def test_rank_catalog__refuses_scores_that_are_no_numbers() -> None:
    broken = Recited(np.where(ROWS == 9, np.nan, ROWS))
    with pytest.raises(FloatingPointError, match="recited: a score is not finite"):
        rank_catalog(broken, HISTORIES, np.array([3, 2, 0, 0]), seen=Seen.KEPT, depth=2)


def test_rank_fusion__a_target_that_nobody_lists_is_lost() -> None:
    lists = rank_catalog(Recited(ROWS), HISTORIES, np.zeros(4, int), seen=Seen.KEPT, depth=3).lists
    fusion = Fusion({Component("recited", "span"): 1.0})
    found = rank_fusion(fusion, {"recited": lists}, np.array([1, 1, 3, 2]), depth=2)
    # The last of a list says nothing; 1 and 2 tie for user 1, and both are the last of its list.
    assert found.rank.tolist() == [1, 5, 5, 5]
    assert found.lists.item.tolist() == [[1, 0], [0, -1], [2, -1], [0, 1]]
