"""A week is foretold from the weeks before it and from nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.tuning.rolling_origin import ndcg_of_week
from tests.retrieval.small_shop import SMALL, habits

WEEK = 13
QUICK = replace(SMALL, epochs=4, target_weeks=5)


def test_purchases_as_of__are_seen_from_the_start_of_the_week() -> None:
    whole = habits()
    past = whole.as_of(WEEK)
    assert past.week.max() == WEEK - 1
    assert past.moment_week == WEEK
    # The moment of `habits` is the start of week 15: two weeks later.
    kept = whole.week < WEEK
    assert past.day == pytest.approx(whole.day[kept] + 14)
    assert past.age(WEEK, np.ones(len(past.week), bool)) == pytest.approx(whole.age(WEEK, kept))


@pytest.fixture(scope="module")
def quality() -> np.ndarray:
    return ndcg_of_week(habits(), QUICK, WEEK)


def test_ndcg_of_week__is_one_value_a_household_that_bought(quality: np.ndarray) -> None:
    whole = habits()
    assert len(quality) == len(np.unique(whole.shopper[whole.week == WEEK]))
    assert (quality >= 0).all()
    assert (quality <= 1).all()
    # Six habits of 60 things, most of them bought again: by chance it would be near .15.
    assert quality.mean() > 0.5


def test_ndcg_of_week__does_not_look_at_what_comes_later(quality: np.ndarray) -> None:
    whole = habits()
    changed = replace(whole, item=np.where(whole.week > WEEK, 0, whole.item).astype(np.int32))
    assert ndcg_of_week(changed, QUICK, WEEK) == pytest.approx(quality, abs=0)
