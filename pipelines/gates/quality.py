"""The quality gate: ``decide(policy, evidence) -> Decision``.

Every comparison must pass. That is an intersection-union test, so no correction for the number of
comparisons is needed: a bad candidate gets through only if all of them err at once.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import Check, Decision, Verdict
from pipelines.evaluation.bootstrap import Interval, paired_interval
from pipelines.gates.champions import Champion, compares, lost, moved_on
from pipelines.gates.guards import (
    Lists,
    best_baseline,
    covers_the_catalog,
    features_of_the_week,
    is_not_concentrated,
    learned_from_what_landed,
    past_only,
    permuted_labels,
    plausible_gain,
    slices_hold,
)
from pipelines.params import DecidePromotion

CANDIDATE = "blend"
ABLATION = "blend_without_sequence"
CHAMPION = "champion"
NEURAL = "sequence"


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on.

    Attributes:
        week: The holdout week T.
        values: Per system, the policy's metric per household of the holdout, each of shape ``(households,)``
            in one order; ``champion`` is there when there is a champion.
        permuted: The same, each household judged by what another one bought.
        champion: What is known of the champion beside its figures, None for a first model.
        holdout_sha256: Content hash of the holdout that was scored.
        split_sha256: Content hash that the split recorded when it froze the holdout.
        slice_of: Slice of each household, shape ``(households,)``, in the same order.
        lists: Per system, what its lists are like as a whole.
        latest_us: When the latest event of the histories happened that were asked with, microseconds since the epoch.
        moment_us: When the holdout week began.
        features_of_week: The week that the features say they were built for, 0 where they say nothing.
        strays: One sentence for each table that was learned from or judged by and is not what landed.
    """

    week: int
    values: Mapping[str, NDArray[np.float64]]
    permuted: Mapping[str, NDArray[np.float64]]
    champion: Champion | None
    holdout_sha256: str
    split_sha256: str
    slice_of: NDArray[np.str_]
    lists: Mapping[str, Lists]
    latest_us: int
    moment_us: int
    features_of_week: int
    strays: tuple[str, ...]


def decide(policy: DecidePromotion, evidence: Evidence) -> Decision:
    """Judge a candidate against the champion, every baseline and itself without its neural part."""
    checks = [
        _holdout_is_frozen(evidence),
        past_only(evidence.latest_us, evidence.moment_us),
        features_of_the_week(evidence.features_of_week, evidence.week),
        learned_from_what_landed(evidence.strays),
        permuted_labels(policy, evidence.permuted, CANDIDATE),
        _enough_households(policy, evidence),
        *_champion_checks(policy, evidence),
        *(_superior(policy, evidence, baseline) for baseline in policy.baselines),
        _superior(policy, evidence, ABLATION),
        _neural_part_alone(policy, evidence),
        *_guards(policy, evidence),
    ]
    verdict = worst([check.verdict for check in checks])
    summary = _summary(policy, evidence, verdict, checks)
    return Decision("quality", verdict, tuple(checks), summary, _evidence(policy, evidence))


def _guards(policy: DecidePromotion, evidence: Evidence) -> list[Check]:
    """What an average hides; against the champion where there is one to compare with."""
    means = {name: float(values.mean()) for name, values in evidence.values.items()}
    best = best_baseline(means, policy.baselines)
    reference = _reference(evidence, means, best)
    ours, theirs = evidence.lists[CANDIDATE], evidence.lists[reference]
    values = evidence.values[CANDIDATE], evidence.values[reference]
    return [
        *slices_hold(policy, *values, evidence.slice_of, reference),
        covers_the_catalog(policy, ours, theirs, reference),
        is_not_concentrated(policy, ours, theirs, reference),
        plausible_gain(policy, means[CANDIDATE], means[best], best),
    ]


def _evidence(policy: DecidePromotion, evidence: Evidence) -> dict[str, Any]:
    """What the decision keeps of its evidence, for whoever reads it later."""
    compared = [CANDIDATE, *([CHAMPION] if CHAMPION in evidence.values else []), ABLATION, *policy.baselines]
    return {
        "week": evidence.week,
        "households": int(evidence.values[CANDIDATE].size),
        "holdout_sha256": evidence.holdout_sha256,
        "champion": dataclasses.asdict(evidence.champion) if evidence.champion else None,
        "means": {name: round(float(evidence.values[name].mean()), 6) for name in compared},
    }


def worst(verdicts: list[Verdict]) -> Verdict:
    """FAIL outweighs INSUFFICIENT_EVIDENCE, which outweighs PASS."""
    for verdict in (Verdict.FAIL, Verdict.INSUFFICIENT_EVIDENCE):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


def _holdout_is_frozen(evidence: Evidence) -> Check:
    same = evidence.holdout_sha256 == evidence.split_sha256
    words = (
        f"the holdout is week {evidence.week} as it was frozen ({evidence.split_sha256[:12]})"
        if same
        else f"the holdout that was scored ({evidence.holdout_sha256[:12]}) is not the one that was frozen "
        f"({evidence.split_sha256[:12]}): run split_weeks again and evaluate anew"
    )
    return Check("holdout_is_frozen", Verdict.PASS if same else Verdict.FAIL, None, None, words)


def _enough_households(policy: DecidePromotion, evidence: Evidence) -> Check:
    found = evidence.values[CANDIDATE].size
    enough = found >= policy.minimum_households
    return Check(
        "enough_households",
        Verdict.PASS if enough else Verdict.INSUFFICIENT_EVIDENCE,
        float(found),
        float(policy.minimum_households),
        f"{found} households bought in week {evidence.week}; the policy asks for {policy.minimum_households}",
    )


def _reference(evidence: Evidence, means: Mapping[str, float], best: str) -> str:
    """Whom the guards compare with: the champion, unless it may read the data of today wrongly and is worse for it."""
    if evidence.champion is None or CHAMPION not in means:
        return best
    doubtful = bool(evidence.champion.contracts_changed)
    return best if doubtful and means[best] > means[CHAMPION] else CHAMPION


def _champion_checks(policy: DecidePromotion, evidence: Evidence) -> list[Check]:
    champion = evidence.champion
    if (champion is None) != (CHAMPION not in evidence.values):
        return [lost(champion)]
    if champion is None:
        return [
            Check(
                "first_model",
                Verdict.PASS,
                None,
                None,
                "there is no champion yet: by the first-model rule the candidate must be superior to every baseline "
                "and to itself without its neural part",
            )
        ]
    unseen = compares(champion, evidence.week)
    judged = _not_inferior(policy, evidence) if unseen is None else unseen
    return [judged, *moved_on(policy, champion)]


def _not_inferior(policy: DecidePromotion, evidence: Evidence) -> Check:
    interval = _interval(policy, evidence, CHAMPION)
    champion = float(evidence.values[CHAMPION].mean())
    margin = -policy.champion_margin * champion
    if interval.low > margin:
        verdict, words = Verdict.PASS, "is not inferior to"
    elif interval.high < margin:
        verdict, words = Verdict.FAIL, "is inferior to"
    else:
        verdict, words = Verdict.INSUFFICIENT_EVIDENCE, "cannot be told from inferior to"
    detectable = 2.8 * interval.standard_error / champion if champion else float("nan")
    message = (
        f"the candidate {words} the champion: {_words(policy, interval, champion)}; margin "
        f"{-policy.champion_margin:.1%} of the champion, minimum detectable effect {detectable:.1%} "
        "(80 % power, 5 % two-sided)"
    )
    return Check(
        "not_inferior_to_champion", verdict, interval.mean, margin, message, interval.low, interval.high
    )


def _superior(policy: DecidePromotion, evidence: Evidence, other: str) -> Check:
    interval = _interval(policy, evidence, other)
    if interval.low > 0:
        verdict, words = Verdict.PASS, "beats"
    elif interval.mean <= 0:
        verdict, words = Verdict.FAIL, "does not beat"
    else:
        verdict, words = Verdict.INSUFFICIENT_EVIDENCE, "is not surely better than"
    reference = float(evidence.values[other].mean())
    message = f"the candidate {words} {other}: {_words(policy, interval, reference)}"
    return Check(f"superior_to_{other}", verdict, interval.mean, 0.0, message, interval.low, interval.high)


def _neural_part_alone(policy: DecidePromotion, evidence: Evidence) -> Check:
    """Without its companions the neural part is surely better than a floor; few households are enough to see it."""
    floor = policy.neural_floor
    interval = paired_interval(
        evidence.values[NEURAL],
        evidence.values[floor],
        samples=policy.bootstrap_samples,
        confidence=policy.confidence,
        seed=policy.seed,
    )
    reference = float(evidence.values[floor].mean())
    words = "is better than" if interval.low > 0 else "is not surely better than"
    message = f"the neural part alone {words} {floor}: {_words(policy, interval, reference)}"
    verdict = Verdict.PASS if interval.low > 0 else Verdict.FAIL
    return Check("neural_part_alone", verdict, interval.mean, 0.0, message, interval.low, interval.high)


def _interval(policy: DecidePromotion, evidence: Evidence, other: str) -> Interval:
    return paired_interval(
        evidence.values[CANDIDATE],
        evidence.values[other],
        samples=policy.bootstrap_samples,
        confidence=policy.confidence,
        seed=policy.seed,
    )


def _words(policy: DecidePromotion, interval: Interval, reference: float) -> str:
    relative = f" ({interval.mean / reference:+.1%})" if reference else ""
    return (
        f"{policy.metric} differs by {interval.mean:+.4f}{relative}, "
        f"{policy.confidence:.0%} interval {interval.low:+.4f} to {interval.high:+.4f}"
    )


def _summary(policy: DecidePromotion, evidence: Evidence, verdict: Verdict, checks: list[Check]) -> str:
    ours = float(evidence.values[CANDIDATE].mean())
    head = f"{policy.metric} {ours:.4f} on week {evidence.week} over {evidence.values[CANDIDATE].size} households"
    if verdict is Verdict.PASS:
        return f"PASS: {head}; all {len(checks)} checks hold"
    failed = "; ".join(check.message for check in checks if check.verdict is not Verdict.PASS)
    return f"{verdict}: {head}; {failed}"
