"""What a rebuild and a second seed say of a release."""

import numpy as np
import pytest

from pipelines.domain import Verdict
from pipelines.gates.explain import explain
from pipelines.gates.stability import Stability, decide
from pipelines.params import CheckRelease

POLICY = CheckRelease(other_seed=11, seed_margin=0.03, alike_low=0.5, confidence=0.95, bootstrap_samples=500)
HOUSEHOLDS = 4000
FIRST = [[str(item) for item in range(10)] for _ in range(4)]


def seen(
    factor: float = 1.0, noise: float = 0.05, differing: tuple[str, ...] = (), common: int = 8
) -> Stability:
    random = np.random.default_rng(1)
    values = random.uniform(0, 0.6, HOUSEHOLDS)
    other = factor * values + random.normal(0, noise, HOUSEHOLDS)
    tens = [[*ten[:common], *(f"x{item}" for item in range(10 - common))] for ten in FIRST]
    return Stability("r-44-a", 44, 21, differing, values, other, FIRST, tens)


def verdicts(stability: Stability) -> dict[str, str]:
    return {check.name: check.verdict.value for check in decide(POLICY, stability).checks}


def test_decide__passes_what_is_rebuilt_and_ranked_alike() -> None:
    decision = decide(POLICY, seen())
    assert (decision.kind, decision.verdict) == ("stability", Verdict.PASS)
    assert decision.summary == "PASS: it is rebuilt the same, and another seed ranks alike"
    assert decision.evidence == {"release_id": "r-44-a", "week": 44, "households": HOUSEHOLDS}


@pytest.mark.parametrize(
    ("factor", "noise", "verdict"),
    [
        (0.8, 0.05, "FAIL"),  # worse
        (1.2, 0.05, "FAIL"),  # better is luck as well
        (1.0, 3.0, "INSUFFICIENT_EVIDENCE"),  # an interval wider than the margin
        (1.01, 0.01, "PASS"),
    ],
)
def test_decide__asks_that_the_other_seed_is_neither_better_nor_worse(
    factor: float, noise: float, verdict: str
) -> None:
    assert verdicts(seen(factor, noise))["seeds_are_as_good"] == verdict


@pytest.mark.parametrize(("common", "verdict"), [(5, "PASS"), (4, "FAIL")])
def test_decide__counts_the_items_that_both_show(common: int, verdict: str) -> None:
    assert verdicts(seen(common=common))["seeds_rank_alike"] == verdict


def test_decide__without_a_shopper_to_compare_fails() -> None:
    values = np.ones(9)
    assert verdicts(Stability("r", 1, 1, (), values, values, [], []))["seeds_rank_alike"] == "FAIL"


def test_decide__names_what_differs_and_explain_says_that_nothing_moved() -> None:
    decision = decide(POLICY, seen(differing=("models/sequence", "Bento")))
    assert decision.verdict is Verdict.FAIL
    said = "19 of 21 things are the same after a rebuild from what was recorded; these differ: models/sequence, Bento"
    assert said in decision.summary
    body = {"kind": "stability", "verdict": "FAIL", "evidence": decision.evidence}
    body["checks"] = [vars(check) for check in decision.checks]
    lines = explain(body)
    assert lines[0] == (
        "It is in doubt, and nothing was taken back (FAIL): of 3 checks, rebuilt_the_same does not hold."
    )
    assert any("seeds_rank_alike" in line and "less than 0.5" in line for line in lines)
