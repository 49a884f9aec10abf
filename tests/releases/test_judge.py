"""The judge of a canary: by hand, by law and by simulation under constant peeking."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom

from pipelines.params import AdvanceRelease, ParamsError, load_params
from pipelines.releases.judge import (
    Arm,
    Observed,
    Verdict,
    judge,
    log_evidence_above,
    log_evidence_worse,
)

POLICY = AdvanceRelease(
    policy_version=1,
    shadow_requests=0,
    canary_shares=(0.1,),
    seconds_between_looks=1,
    alpha=0.05,
    minimum_requests=1000,
    minimum_seconds=60,
    maximum_seconds=600,
    when_quiet="roll_back",
    crashes_allowed=0,
    errors_tolerated=0.001,
    errors_ratio=1.5,
    slow_seconds=0.1,
    slow_tolerated=0.01,
    slow_ratio=1.5,
    outcome_margin=0.05,
)
counts = st.integers(0, 3000)


def verdict(canary=(), control=(), seconds=100.0, crashes=0, **changed):
    policy = POLICY.model_copy(update=changed)
    return judge(policy, Observed(Arm(*canary), Arm(*control), crashes, seconds))


@pytest.mark.parametrize(
    ("canary", "seconds", "changed", "expected"),
    [
        ((999,), 100, {}, "CONTINUE"),
        ((1000,), 59, {}, "CONTINUE"),
        ((1000,), 60, {}, "ADVANCE"),
        ((999,), 600, {}, "ROLL_BACK"),
        ((999,), 600, {"when_quiet": "advance"}, "ADVANCE"),
        ((), 0, {}, "CONTINUE"),
    ],
)
def test_judge__without_a_breach_waits_for_requests_and_time(canary, seconds, changed, expected):
    assert verdict(canary, (9000,), seconds, **changed).verdict == expected


@pytest.mark.parametrize(
    ("canary", "control", "words"),
    [
        ((200, 20), (2000, 2), "errors: 20 of 200, control 2 of 2000"),
        ((1000, 0, 100), (9000, 0, 90), "slow answers: 100 of 1000"),
        ((1000, 0, 0, 1000, 10), (9000, 0, 0, 9000, 900), "buyers: 10 of 1000"),
    ],
)
def test_judge__rolls_back_on_each_breach_and_says_which(canary, control, words):
    found = verdict(canary, control)
    assert found.verdict == Verdict.ROLL_BACK
    assert words in found.reason


def test_judge__rolls_back_a_crash_at_once():
    assert verdict((1,), (9,), seconds=1, crashes=1).verdict == Verdict.ROLL_BACK


def test_judge__errors_that_both_have_are_no_breach_and_neither_are_tolerated_ones():
    assert verdict((1000, 300), (9000, 2700)).verdict == Verdict.ADVANCE
    assert verdict((100_000, 90), (900_000, 0)).verdict == Verdict.ADVANCE


@pytest.mark.parametrize(("bad", "total", "tolerated"), [(0, 5, 0.1), (3, 4, 0.2), (2, 30, 0.05)])
def test_log_evidence_above__is_the_mean_likelihood_ratio(bad, total, tolerated):
    area, _ = quad(lambda p: binom.pmf(bad, total, p) / binom.pmf(bad, total, tolerated), tolerated, 1)
    assert log_evidence_above(bad, total, tolerated) == pytest.approx(math.log(area / (1 - tolerated)))


def test_log_evidence__one_failure_in_one_trial_by_hand():
    # The mean of p / 0.5 over p from 0.5 to 1 is 1.5; of (1 - p) / 0.5 it is 0.5.
    assert log_evidence_above(1, 1, 0.5) == pytest.approx(math.log(1.5))
    assert log_evidence_above(0, 1, 0.5) == pytest.approx(math.log(0.5))
    assert log_evidence_worse(1, 10, 0, 10, 1.0) == pytest.approx(math.log(1.5))


@given(counts, counts, st.floats(0.001, 0.9))
@example(2, 322, 0.9)  # a tail without digits
def test_log_evidence_above__is_fair_at_the_boundary(bad, good, tolerated):
    """A martingale under the null: the next trial changes the wealth by nothing in the mean."""
    now = log_evidence_above(bad, bad + good, tolerated)
    up = log_evidence_above(bad + 1, bad + good + 1, tolerated)
    down = log_evidence_above(bad, bad + good + 1, tolerated)
    if all(map(math.isfinite, (now, up, down))) and abs(now) < 500:
        mean = tolerated * math.exp(up - now) + (1 - tolerated) * math.exp(down - now)
        assert mean == pytest.approx(1, rel=1e-6)


@given(counts, counts, counts, st.integers(1, 500))
def test_judge__more_errors_never_help(good, control_good, errors, more):
    before = verdict((good + errors, errors), (control_good, 0))
    after = verdict((good + errors + more, errors + more), (control_good, 0))
    assert not (before.verdict == Verdict.ROLL_BACK and after.verdict != Verdict.ROLL_BACK)


def rolled_back_after(rate, control_rate, looks, random, per_look=20, **changed):
    """Requests of the canary until it is taken back when looked at after every twenty of them, or None."""
    changed |= {"minimum_requests": 10**9, "maximum_seconds": 1e9}
    canary, control = np.zeros(2, int), np.zeros(2, int)
    for _ in range(looks):
        canary += (per_look, random.binomial(per_look, rate))
        control += (9 * per_look, random.binomial(9 * per_look, control_rate))
        if verdict(canary, control, **changed).verdict == Verdict.ROLL_BACK:
            return int(canary[0])
    return None


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1])
def test_judge__peeking_250_times_takes_back_a_release_no_worse_than_the_live_one_at_most_alpha(rate):
    random = np.random.default_rng(7)
    # Nothing but the live release's own rate is allowed: the hardest case for the promise.
    strict = {"errors_ratio": 1.0, "errors_tolerated": 1e-6}
    false = sum(rolled_back_after(rate, rate, 250, random, **strict) is not None for _ in range(200))
    # 5 % of 200 are 10; by chance alone a test of exactly that size would exceed 18 once in 100.
    assert false <= 18


def test_judge__finds_an_injected_error_rate_soon():
    random = np.random.default_rng(7)
    found = [rolled_back_after(0.05, 0.001, 100, random) for _ in range(100)]
    assert all(found)
    assert np.median(found) <= 300


def test_arm__refuses_more_parts_than_the_whole():
    with pytest.raises(ValueError, match="errors, slow <= requests"):
        Arm(requests=1, errors=2)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("canary_shares: []", "canary_shares: [0.25, 0.05]", "ever larger shares"),
        ("canary_shares: []", "canary_shares: [0.5, 1.0]", "less than 1"),
        ("maximum_seconds: 3600", "maximum_seconds: 60", "more than minimum_seconds"),
        ("when_quiet: advance", "when_quiet: perhaps", "when_quiet"),
    ],
)
def test_params__refuses_a_policy_that_cannot_be_followed(tmp_path, old, new, error):
    file = tmp_path / "params.yaml"
    with open("params.yaml") as given_file:
        text = given_file.read()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(ParamsError, match=error):
        load_params(file)
