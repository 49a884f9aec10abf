"""Whether a candidate may go on, after any number of looks: sequential tests that stay valid while one peeks.

Each test bets on the candidate being worse and multiplies its wealth with every failure seen; were it not worse, the
wealth would reach ``1 / alpha`` with probability ``alpha`` at most, *ever* (Ville's inequality), so looking every few
seconds costs nothing. Where a bet has a size to choose, it is spread over all sizes: the mixture sequential probability
ratio test of Robbins, "Statistical methods related to the law of the iterated logarithm" (Annals of Mathematical
Statistics 41, 1970), as used for online experiments by Johari, Koomen, Pekelis and Walsh, "Always valid inference"
(Operations Research 70, 2022).
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import betainc, betaln

from pipelines.params import AdvanceRelease

TESTS = 3
SMALLEST_TAIL = 1e-290
"""Below it a tail has no digits left; such a wealth is below 1 and far from any verdict."""


class Verdict(StrEnum):
    """What to do with a candidate now."""

    CONTINUE = "CONTINUE"
    ADVANCE = "ADVANCE"
    ROLL_BACK = "ROLL_BACK"


@dataclass(frozen=True)
class Arm:
    """What was counted of one release since the step began.

    Attributes:
        requests: Answered recommendations.
        errors: Of these, answers with a status of 500 or more.
        slow: Of these, answers that took longer than the policy's ``slow_seconds``.
        shoppers: Shoppers who were shown a list.
        buyers: Of these, how many bought something after it.
    """

    requests: int = 0
    errors: int = 0
    slow: int = 0
    shoppers: int = 0
    buyers: int = 0

    def __post_init__(self) -> None:
        parts = ((self.errors, self.requests), (self.slow, self.requests), (self.buyers, self.shoppers))
        if any(not 0 <= part <= whole for part, whole in parts):
            raise ValueError(
                f"expected 0 <= errors, slow <= requests and 0 <= buyers <= shoppers, found {self}"
            )


@dataclass(frozen=True)
class Observed:
    """One step so far.

    Attributes:
        canary: The candidate.
        control: The live release, over the same time.
        crashes: How often the candidate's process ended by itself.
        seconds: Since the step began.
        alike: Of a shadow's lists, the share of the live list's first ten that is among its own; None of a canary.
    """

    canary: Arm
    control: Arm
    crashes: int
    seconds: float
    alike: float | None = None


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason in words."""

    verdict: Verdict
    reason: str


def judge(policy: AdvanceRelease, observed: Observed) -> Judgement:
    """Decide about a candidate; a pure function of what was counted.

    Args:
        policy: Limits, and ``alpha``: the chance that a candidate no worse than allowed is ever rolled back by one
            of the tests, over all steps together.
        observed: Counts of this step.
    """
    if breach := _breach(policy, observed):
        return Judgement(Verdict.ROLL_BACK, breach)
    requests, seconds = observed.canary.requests, observed.seconds
    so_far = f"{requests} requests in {seconds:.0f} s"
    if observed.alike is not None:
        so_far += f", {observed.alike:.0%} of the first ten as in the live list"
    if requests >= policy.minimum_requests and seconds >= policy.minimum_seconds:
        return Judgement(Verdict.ADVANCE, f"{so_far} and no breach")
    if seconds < policy.maximum_seconds:
        needed = f"{policy.minimum_requests} in {policy.minimum_seconds:.0f} s"
        return Judgement(Verdict.CONTINUE, f"{so_far} of at least {needed}, no breach")
    verdict = Verdict.ADVANCE if policy.when_quiet == "advance" else Verdict.ROLL_BACK
    return Judgement(
        verdict, f"only {so_far}, the longest a step may last: when_quiet is {policy.when_quiet}"
    )


def _breach(policy: AdvanceRelease, observed: Observed) -> str:
    canary, control = observed.canary, observed.control
    if observed.crashes > policy.crashes_allowed:
        return f"its process ended {observed.crashes} times, {policy.crashes_allowed} allowed"
    steps = len(policy.canary_shares) + bool(policy.shadow_requests)
    needed = math.log(TESTS * steps / policy.alpha)
    asked = (
        ("errors", canary.errors, control.errors, policy.errors_tolerated, policy.errors_ratio),
        ("slow answers", canary.slow, control.slow, policy.slow_tolerated, policy.slow_ratio),
    )
    for what, bad, usual, tolerated, ratio in asked:
        evidence = min(
            log_evidence_above(bad, canary.requests, tolerated),
            log_evidence_worse(bad, canary.requests, usual, control.requests, ratio),
        )
        if evidence >= needed:
            return f"{what}: {bad} of {canary.requests}, control {usual} of {control.requests}"
    # Fewer buyers in the canary is more in the control: the same bet the other way round.
    ratio = 1 / (1 - policy.outcome_margin)
    lost = log_evidence_worse(control.buyers, control.shoppers, canary.buyers, canary.shoppers, ratio)
    if lost >= needed:
        return f"buyers: {canary.buyers} of {canary.shoppers} shoppers, control {control.buyers} of {control.shoppers}"
    return ""


def log_evidence_above(bad: int, total: int, tolerated: float) -> float:
    """Log wealth of the bet that failures are more frequent than tolerated.

    Args:
        bad: Failures seen.
        total: Trials seen.
        tolerated: Rate of failures under the null hypothesis, at most; above 0 and below 1.
    """
    return _log_mixture(bad, total - bad, tolerated)


def log_evidence_worse(bad: int, total: int, other_bad: int, other_total: int, ratio: float) -> float:
    """Log wealth of the bet that failures are more than ``ratio`` times as frequent here as there.

    Of the failures of both, each is one of ours with a chance that depends on the ratio of the two rates alone, so a
    trouble that both share is no evidence. Exact where failures are rare, cautious where they are not.
    """
    if total == 0 or other_total == 0:
        return 0.0
    ours = ratio * total / (ratio * total + other_total)
    return _log_mixture(bad, other_bad, ours)


def _log_mixture(hits: int, misses: int, chance: float) -> float:
    """Log of the mean likelihood ratio over all chances above the given one (uniform prior)."""
    # Integral of p^hits (1-p)^misses from chance to 1 is the Beta function times its upper tail.
    tail = betainc(misses + 1, hits + 1, 1 - chance)
    if tail < SMALLEST_TAIL:
        return -math.inf
    likelihood = betaln(hits + 1, misses + 1) + math.log(tail) - math.log1p(-chance)
    return float(likelihood - hits * math.log(chance) - misses * math.log1p(-chance))
