"""The model of responses against an independent one, and what it is told from by hand."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipelines.domain import BundleError
from pipelines.ranking.responses import (
    DAY_US,
    FEATURES,
    Lines,
    Rates,
    ResponseModel,
    constant,
    count,
    features,
    fit_response,
)

AT = 1000 * DAY_US


def test_fit__is_the_penalised_likelihoods_maximum() -> None:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(400, len(FEATURES))) * np.arange(1, len(FEATURES) + 1)
    redeemed = generator.random(400) < 1 / (1 + np.exp(2 - rows[:, 1] / 2))
    model = fit_response(rows, redeemed, penalty=10, rate=0.1)
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    peer = LogisticRegression(C=0.1, tol=1e-10, max_iter=1000).fit(standard, redeemed)
    assert model.probability(rows) == pytest.approx(peer.predict_proba(standard)[:, 1], abs=1e-5)
    again = ResponseModel.read(model.told())
    assert again == model


@pytest.mark.parametrize("redeemed", [np.zeros(3, bool), np.ones(3, bool), np.zeros(0, bool)])
def test_fit__of_one_outcome_alone_says_the_rate_of_all(redeemed: np.ndarray) -> None:
    rows = np.ones((len(redeemed), len(FEATURES)))
    model = fit_response(rows, redeemed, 10, 0.2)
    assert model == constant(0.2)
    assert model.probability(rows + 5) == pytest.approx([0.2] * len(rows))


@pytest.mark.parametrize("broken", [{"weights": None}, {"intercept": "much"}, {"scale": [1.0]}])
def test_read__names_the_file_and_what_it_lacks(broken: dict[str, object]) -> None:
    with pytest.raises(BundleError, match=r"promotions.json: .*train again"):
        ResponseModel.read(constant(0.1).told() | broken)


def test_count__by_hand() -> None:
    # Shopper 0: item 0 100 days ago, items 0 and 1 in one basket 10 days ago, item 0 3 days ago; shopper 1: item 2.
    days = np.array([100, 10, 10, 3, 5, -1])
    lines = Lines(
        users=np.array([0, 0, 0, 0, 1, 1]),
        items=np.array([0, 0, 1, 0, 2, 0]),
        baskets=np.array([0, 1, 1, 2, 3, 4]),
        times=AT - days * DAY_US,
    )
    found = count(lines, 2, np.array([True, True, False]), AT, days=56)
    assert found.lines_lately.tolist() == [3, 1]
    assert found.wanted_lately.tolist() == [3, 0]
    assert found.wanted_items.tolist() == [2, 0]
    assert found.wanted_ever.tolist() == [4, 0]
    assert found.baskets_lately.tolist() == [2, 1]
    assert found.days_since.tolist() == [3, 5]
    table = features(found, np.array([0.1, 0.2]), 0.05, size=40)
    assert table[0] == pytest.approx(
        [np.log(0.1), np.log(0.05), np.log(3), 1.0, np.log(5), np.log(3), np.log(4), np.log(41)]
    )


def test_rates__of_a_shopper_are_shrunk_towards_that_of_all() -> None:
    rates = Rates(0.02, {"A": 0.1}, own_weight=10)
    assert rates.own(np.array([0.0, 3.0]), 10) == pytest.approx([0.01, 0.16])
    assert (rates.of_type("A"), rates.of_type("new")) == (0.1, 0.02)
