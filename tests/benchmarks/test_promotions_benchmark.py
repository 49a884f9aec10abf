"""The benchmark of promotions: its goals are judged by intervals, and its page says them."""

import numpy as np
import pytest

from benchmarks import pages
from benchmarks.promotions import report
from pipelines.evaluation.responses import Foretold, measure_responses


@pytest.mark.parametrize(("ours", "met"), [([9.0, 8, 1, 2, 1, 2], True), ([1.0, 2, 8, 9, 9, 8], False)])
def test_report__judges_by_the_interval(ours: list[float], met: bool) -> None:
    redeemed = np.array([True, True, False, False, False, False])
    flat = np.zeros(6)
    scores = {"response": np.array(ours), "type_rate": flat, "own_rate": flat}
    found = measure_responses([Foretold("7", np.arange(6), redeemed, scores)], 200, 7)
    whole = report({"sent": found, "all": found}, 3.0)
    whole["data"] = {"name": "a shop", "campaigns": 2}
    assert {goal["met"] for goal in whole["goals"] if goal["goal"].startswith("auc")} == {met}
    page = pages.render_page("promotions", whole)
    assert "Among those who were sent it: 6 pairs of household and campaign, 2 redeemed." in page
    assert "| 7 | 6 | 2 |" in page
    assert (" met: auc of" in page) == met
