"""What a good average hides and what is too good to be true, on evidence whose answer is plain."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain import Check, Verdict
from pipelines.gates.guards import Lists, _holm, best_baseline, past_only, plausible_gain, slices_hold
from pipelines.gates.quality import decide
from pipelines.params import DecidePromotion, GuardedSlices
from tests.gates.test_quality import POLICY, evidence, verdicts, with_champion

HOUR = 3_600_000_000


def judged(policy: DecidePromotion, worse: float, households: int, others: int = 2000) -> dict[str, Check]:
    """A slice ``new`` that is worse by a share of its .3, with noise, beside a slice that is as good."""
    noise = np.random.default_rng(3).normal(0, 0.1, households + others)
    slice_of = np.array(["new"] * households + ["usual"] * others)
    reference = np.full(households + others, 0.3)
    shift = np.where(slice_of == "new", -0.3 * worse, 0.0)
    for name in np.unique(slice_of):
        noise[slice_of == name] -= noise[slice_of == name].mean()
    found = slices_hold(policy, reference + shift + noise, reference, slice_of, "champion")
    return {check.name: check for check in found}


def test_slices__one_that_is_surely_harmed_fails_behind_a_good_average() -> None:
    found = judged(POLICY, worse=0.2, households=200)
    assert found["slice_new"].verdict is Verdict.FAIL
    assert found["slice_usual"].verdict is Verdict.PASS
    assert "200 households of the slice new" in found["slice_new"].message
    assert "surely more than 5% worse" in found["slice_new"].message
    assert found["slice_new"].threshold == pytest.approx(-0.05 * 0.3)


@pytest.mark.parametrize("worse", [0.0, 0.05, -0.1])
def test_slices__one_that_is_not_surely_worse_by_more_than_the_margin_passes(worse: float) -> None:
    assert judged(POLICY, worse, households=200)["slice_new"].verdict is Verdict.PASS


def test_slices__a_small_one_is_only_told() -> None:
    found = judged(POLICY, worse=0.5, households=49)["slice_new"]
    assert found.verdict is Verdict.PASS
    assert "advisory only, the policy judges slices of 50" in found.message


def test_slices__one_that_nobody_is_in_is_said_to_be_empty() -> None:
    found = judged(POLICY, worse=0.0, households=0)["slice_new"]
    assert found.verdict is Verdict.PASS
    assert "nobody of the slice new" in found.message


def test_holm__goes_down_from_the_smallest_until_one_is_not_rejected() -> None:
    # .012 <= .05 / 4, .016 <= .05 / 3, .03 > .05 / 2: the fourth is not looked at any more.
    assert _holm({"a": 0.012, "b": 0.016, "c": 0.03, "d": 0.04}, 0.05) == {"a", "b"}
    assert _holm({"a": 0.013, "b": 0.0126, "c": 0.9, "d": 0.9}, 0.05) == set()
    assert _holm({}, 0.05) == set()


@given(st.lists(st.floats(0, 1), max_size=8))
@settings(max_examples=200)
def test_holm__rejects_what_bonferroni_does_and_nothing_above_alpha(p_values: list[float]) -> None:
    named = {str(place): value for place, value in enumerate(p_values)}
    rejected = _holm(named, 0.05)
    assert {name for name, value in named.items() if value <= 0.05 / len(named)} <= rejected
    assert all(named[name] <= 0.05 for name in rejected)


def test_slices__false_alarms_over_honest_retrains_stay_below_five_percent() -> None:
    policy = POLICY.model_copy(
        update={
            "bootstrap_samples": 200,
            "slices": GuardedSlices(guarded=("new", "usual", "heavy"), margin=0.0, minimum_households=1),
        }
    )
    draw, alarms = np.random.default_rng(11), 0
    slice_of = np.repeat(["new", "usual", "heavy"], 100)
    reference = np.full(300, 0.3)
    for _ in range(400):
        found = slices_hold(policy, reference + draw.normal(0, 0.1, 300), reference, slice_of, "champion")
        alarms += any(check.verdict is Verdict.FAIL for check in found)
    # Exactly 5 % of 400 would be 20, give or take 4.4.
    assert alarms <= 34


def test_decide__lists_of_a_few_items_are_refused() -> None:
    honest = evidence()
    few = replace(honest, lists=honest.lists | {"blend": Lists(coverage=0.04, concentration=0.5)})
    found = verdicts(decide(POLICY, few))
    assert found["covers_the_catalog"] is Verdict.FAIL
    assert found["is_not_concentrated"] is Verdict.FAIL
    assert decide(POLICY, few).verdict is Verdict.FAIL


def test_decide__lists_are_compared_with_the_champion_where_there_is_one() -> None:
    honest = with_champion(champion=-0.01)
    narrow = honest.lists | {"champion": Lists(coverage=0.01, concentration=0.9)}
    decision = decide(POLICY, replace(honest, lists=narrow))
    (check,) = [check for check in decision.checks if check.name == "covers_the_catalog"]
    assert check.observed == pytest.approx(10.0)
    assert "those of champion 1.0%" in check.message


@pytest.mark.parametrize(
    ("empty", "named"), [("personal_frequency_decayed", None), ("blend", "the candidate")]
)
def test_decide__lists_that_show_nothing_are_no_evidence(empty: str, named: str | None) -> None:
    honest = evidence()
    nothing = replace(honest, lists=honest.lists | {empty: Lists(coverage=0.0, concentration=0.0)})
    decision = decide(POLICY, nothing)
    found = {check.name: check for check in decision.checks}
    assert decision.verdict is not Verdict.PASS
    assert found["is_not_concentrated"].verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert f"the lists of {named or empty} show nothing" in found["is_not_concentrated"].message
    expected = Verdict.INSUFFICIENT_EVIDENCE if named is None else Verdict.FAIL
    assert found["covers_the_catalog"].verdict is expected


def test_decide__what_is_too_good_to_be_true_is_refused() -> None:
    # The best baseline has about .31 - .15: the candidate is nearly twice as good.
    decision = decide(POLICY, evidence(personal_frequency_decayed=-0.15))
    assert verdicts(decision)["plausible_gain"] is Verdict.FAIL
    assert "look for what training knows of the holdout week" in decision.summary


def test_plausible_gain__over_nothing_cannot_be_told() -> None:
    found = plausible_gain(POLICY, 0.3, 0.0, "markov")
    assert found.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert "markov, the best baseline, has nothing right" in found.message


@pytest.mark.parametrize(
    ("above", "expected"), [(-0.05, Verdict.PASS), (0.0, Verdict.PASS), (0.01, Verdict.FAIL)]
)
def test_permuted_labels__a_candidate_that_knows_what_sells_in_the_week_is_refused(
    above: float, expected: Verdict
) -> None:
    honest = evidence()
    noise = np.random.default_rng(2).normal(0, 0.02, 1000)
    ours = honest.permuted["popularity"] + above + noise - noise.mean()
    decision = decide(POLICY, replace(honest, permuted=honest.permuted | {"blend": ours}))
    (check,) = [check for check in decision.checks if check.name == "permuted_labels"]
    assert check.verdict is expected
    assert check.observed == pytest.approx(above)
    assert "popularity, the best baseline there, 0.1495" in check.message
    assert ("look for what it learned of it" in check.message) == (expected is Verdict.FAIL)


def test_past_only__a_history_that_reaches_into_the_week_fails_and_says_by_how_much() -> None:
    assert past_only(99, 100).verdict is Verdict.PASS
    found = past_only(100 + 3 * HOUR, 100)
    assert found.verdict is Verdict.FAIL
    assert "3.0 hours after the holdout week began" in found.message
    assert past_only(100, 100).verdict is Verdict.FAIL


def test_best_baseline__is_the_highest_and_by_name_where_two_are_level() -> None:
    assert best_baseline({"b": 0.2, "a": 0.2, "c": 0.1, "blend": 0.9}, ["c", "b", "a"]) == "a"
