"""Figures of foretold redemptions, by hand and against an independent library."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.evaluation.responses import (
    Foretold,
    foretell,
    measure_responses,
    ordered_pairs,
    precision_at,
)
from pipelines.evaluation.scenarios import scenario_lines
from pipelines.ranking.fitting.campaigns import CampaignPast, Learning
from tests.features.tiny_shop import AT, WEEK, bought, promoted, redeemed, write_shop

ONE = np.ones((1, 6))


def test_ordered_pairs__are_those_of_the_area_under_the_curve() -> None:
    generator = np.random.default_rng(2)
    scores, redeemed_ = generator.integers(0, 5, 60).astype(float), generator.random(60) < 0.3
    weights = generator.integers(0, 4, (3, 60)).astype(float)
    right, pairs = ordered_pairs(scores, redeemed_, weights)
    for found, row in zip(right / pairs, weights, strict=True):
        assert found == pytest.approx(roc_auc_score(redeemed_, scores, sample_weight=row))


def test_precision__of_the_best_and_pessimistic_among_equals() -> None:
    redeemed_ = np.array([True, False, True, False, False, True])
    scores = np.array([6.0, 5, 4, 3, 2, 1])
    assert precision_at(3, scores, redeemed_, ONE).tolist() == [2 / 3]
    assert precision_at(3, np.zeros(6), redeemed_, ONE).tolist() == [0]
    assert precision_at(10, scores, redeemed_, ONE).tolist() == [0.5]
    twice = np.array([[2.0, 0, 1, 1, 1, 1]])
    assert precision_at(3, scores, redeemed_, twice).tolist() == [1]


def foretold(name: str, redeemed_: list[bool], ours: list[float]) -> Foretold:
    users = np.arange(len(ours))
    scores = {"response": np.array(ours), "type_rate": np.zeros(len(ours))}
    return Foretold(name, users, np.array(redeemed_), scores)


def test_measure__over_all_pairs_and_within_campaigns() -> None:
    first = foretold("1", [True, False, False], [0.9, 0.2, 0.1])
    second = foretold("2", [True, False, False], [0.2, 0.3, 0.1])
    nobody = foretold("3", [False, False, False], [0.1, 0.1, 0.1])
    found = measure_responses([first, second, nobody], 200, 7)
    assert (found["pairs"], found["redeemed"]) == (9, 2)
    # Within: 2 of 2 and 1 of 2 pairs. Over all: .9 is above all 7, .2 above 5 of 7 but one tie and one loss: 5.5.
    assert found["auc_within"]["response"]["mean"] == pytest.approx(3 / 4)
    assert found["auc"]["response"]["mean"] == pytest.approx((7 + 5.5) / 14)
    assert found["auc"]["type_rate"]["mean"] == 0.5
    assert found["above"]["auc_within"]["type_rate"]["mean"] == pytest.approx(1 / 4)
    assert [one["campaign_id"] for one in found["campaigns"]] == ["1", "2"]
    assert found["campaigns"][1]["auc"]["response"]["mean"] == pytest.approx(1 / 2)
    assert found["precision_at_10"]["response"]["mean"] == pytest.approx(1 / 3)
    assert found["auc"]["response"]["low"] <= found["auc"]["response"]["mean"]
    (line, *_) = scenario_lines({"promotions": found | {"said": "1 of 3 campaigns is running"}})
    assert line == "who redeems each campaign, foretold as it began: 1 of 3 campaigns is running"


def test_measure__where_nobody_redeemed_says_so() -> None:
    assert measure_responses([], 200, 7) == {"pairs": 0, "redeemed": 0}
    nobody = foretold("3", [False, False], [0.1, 0.2])
    assert measure_responses([nobody], 200, 7) == {"pairs": 2, "redeemed": 0}


def test_foretell__only_campaigns_that_began_after_one_had_ended(tmp_path: Path) -> None:
    events = [bought(user, user, "milk", 30) for user in "abcd"]
    events += [redeemed("a", "old", "k", 18), redeemed("b", "late", "k", 9)]
    spans = (("old", 20, 15), ("beside", 16, 3), ("late", 10, 4))
    shop = write_shop(tmp_path, events, [promoted("milk", start, end, name) for name, start, end in spans])
    past = CampaignPast(shop.events, shop.items, shop.promotions, AT, WEEK, Learning(56, 10, 1))
    (late,) = foretell(past)
    assert late.campaign_id == "late"
    assert [str(past.user_ids[user]) for user in late.users[late.redeemed]] == ["b"]
    assert late.scores["own_rate"].argmax() == 0
