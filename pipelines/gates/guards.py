"""Guards of the quality gate: what a good average hides, and what is too good to be true.

None of them rewards a candidate; each can only refuse one. They compare with the *reference*: the champion, or, for a
first model, the baseline that is best on the holdout.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import Check, Verdict
from pipelines.evaluation.bootstrap import Interval, mean_interval, paired_interval, resampled_means
from pipelines.params import DecidePromotion

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Lists:
    """What the lists of a system are like, whoever they are for.

    Attributes:
        coverage: Share of the sellable catalog that stands in somebody's first ten places.
        concentration: Share of all places that the hundredth of the catalog takes that is listed most.
    """

    coverage: float
    concentration: float


def past_only(latest_us: int, moment_us: int) -> Check:
    """The histories that were asked with end before the holdout week begins."""
    fine = latest_us < moment_us
    words = (
        "no history that was asked with reaches into the holdout week"
        if fine
        else f"a history holds an event {(latest_us - moment_us) / 3.6e9:.1f} hours after the holdout week began: the "
        "features know the future; see the views that were changed last"
    )
    return Check("past_only", Verdict.PASS if fine else Verdict.FAIL, None, None, words)


def features_of_the_week(built_for: int, week: int) -> Check:
    """What the candidate was fitted on was built for the moment at which the holdout week begins."""
    fine = built_for == week
    found = f"for week {built_for}" if built_for else "before features said for which week"
    words = (
        f"the features were built for week {week}, which is the holdout"
        if fine
        else f"the features were built {found}, the holdout is week {week}: run build_features again, then every "
        "stage after it"
    )
    return Check("features_of_the_week", Verdict.PASS if fine else Verdict.FAIL, None, None, words)


def learned_from_what_landed(strays: Sequence[str]) -> Check:
    """The candidate was fitted on, and is judged by, what the validated events say and nothing else."""
    words = (
        f"{'; '.join(strays)}: look at what runs between validate_data and training"
        if strays
        else "what was learned from and judged by is what landed, worked out twice"
    )
    return Check("learned_from_what_landed", Verdict.FAIL if strays else Verdict.PASS, None, None, words)


def permuted_labels(policy: DecidePromotion, permuted: Mapping[str, Values], candidate: str) -> Check:
    """Judged by what other households bought, the candidate is not surely above every baseline.

    A list says then only which items sell in general; what is best at that is popularity of the weeks before. A
    candidate that is surely better has seen what sells in the holdout week itself.
    """
    means = {name: float(values.mean()) for name, values in permuted.items()}
    best = best_baseline(means, policy.baselines)
    interval = paired_interval(
        permuted[candidate],
        permuted[best],
        samples=policy.bootstrap_samples,
        confidence=policy.confidence,
        seed=policy.seed,
    )
    fine = interval.low <= 0
    words = (
        f"judged by what other households bought the candidate has {means[candidate]:.4f}, {best}, the best baseline "
        f"there, {means[best]:.4f}: {interval.mean:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
    )
    if not fine:
        words += ": nothing of the past knows as well what sells in the holdout week; look for what it learned of it"
    return Check("permuted_labels", Verdict.PASS if fine else Verdict.FAIL, interval.mean, None, words)


def plausible_gain(policy: DecidePromotion, ours: float, best: float, best_name: str) -> Check:
    """A gain over the best baseline that no honest model has had is a leak until somebody has looked."""
    limit = policy.plausible_gain_limit
    if best <= 0:
        words = f"{best_name}, the best baseline, has nothing right: no gain over it can be told"
        return Check("plausible_gain", Verdict.INSUFFICIENT_EVIDENCE, None, limit, words)
    gain = ours / best - 1.0
    fine = gain <= limit
    words = f"the gain over {best_name}, the best baseline, is {gain:+.1%}; the policy believes up to {limit:+.0%}"
    if not fine:
        words += (
            ": look for what training knows of the holdout week; if it is real, raise plausible_gain_limit"
        )
    return Check("plausible_gain", Verdict.PASS if fine else Verdict.FAIL, gain, limit, words)


def covers_the_catalog(policy: DecidePromotion, ours: Lists, reference: Lists, name: str) -> Check:
    """The candidate shows not much less of the catalog than the reference."""
    limit = policy.coverage_ratio_low
    if reference.coverage <= 0:
        return _shows_nothing("covers_the_catalog", limit, name)
    ratio = ours.coverage / reference.coverage
    words = (
        f"the first ten places show {ours.coverage:.1%} of the catalog, those of {name} {reference.coverage:.1%}: "
        f"{ratio:.2f} times; the policy asks for {limit:g}"
    )
    return Check("covers_the_catalog", Verdict.PASS if ratio >= limit else Verdict.FAIL, ratio, limit, words)


def is_not_concentrated(policy: DecidePromotion, ours: Lists, reference: Lists, name: str) -> Check:
    """The candidate gives not many more of all places to a few items than the reference."""
    limit = policy.concentration_ratio_high
    if reference.concentration <= 0:
        return _shows_nothing("is_not_concentrated", limit, name)
    if ours.concentration <= 0:
        return _shows_nothing("is_not_concentrated", limit, "the candidate")
    ratio = ours.concentration / reference.concentration
    words = (
        f"a hundredth of the catalog takes {ours.concentration:.1%} of all places, with {name} "
        f"{reference.concentration:.1%}: {ratio:.2f} times; the policy allows {limit:g}"
    )
    return Check("is_not_concentrated", Verdict.PASS if ratio <= limit else Verdict.FAIL, ratio, limit, words)


def _shows_nothing(check: str, limit: float, name: str) -> Check:
    """Empty lists are no reference, and cover or concentrate nothing."""
    words = f"the lists of {name} show nothing, there is nothing to compare: look at its bundle and evaluate again"
    return Check(check, Verdict.INSUFFICIENT_EVIDENCE, None, limit, words)


@dataclass(frozen=True)
class _Slice:
    name: str
    households: int
    margin: float
    interval: Interval
    p_value: float


def slices_hold(
    policy: DecidePromotion, ours: Values, reference: Values, slice_of: NDArray[np.str_], name: str
) -> list[Check]:
    """No guarded slice is surely worse than the reference by more than the margin; a check a slice.

    A slice fails by evidence of harm, not for want of evidence of health: most are too small for the latter. Several
    are looked at, so Holm's step-down rule (Scandinavian Journal of Statistics 1979) keeps the chance of any false
    alarm at ``1 - confidence``. A slice below the policy's size is only told.

    Args:
        policy: Which slices, how much worse, and how large.
        ours: The candidate's metric per household.
        reference: The reference's, for the same households.
        slice_of: Slice of each household.
        name: Of the reference.
    """
    rules = policy.slices
    found = [_measured(policy, ours, reference, slice_of == which, which) for which in rules.guarded]
    large = [one for one in found if one is not None and one.households >= rules.minimum_households]
    harmed = _holm({one.name: one.p_value for one in large}, 1.0 - policy.confidence)
    return [
        _slice_check(policy, which, one, one is not None and one in large, which in harmed, name)
        for which, one in zip(rules.guarded, found, strict=True)
    ]


def _measured(
    policy: DecidePromotion, ours: Values, reference: Values, inside: NDArray[np.bool_], which: str
) -> _Slice | None:
    if not inside.any():
        return None
    difference = (ours - reference)[inside]
    margin = -policy.slices.margin * float(reference[inside].mean())
    samples, seed = policy.bootstrap_samples, policy.seed
    interval = mean_interval(difference, confidence=policy.confidence, samples=samples, seed=seed)
    means = resampled_means(difference[:, None], samples=samples, seed=seed)
    # One is added above and below: of so many samples none is proof of impossibility (Davison and Hinkley 1997).
    p_value = float((1 + (means >= margin).sum()) / (1 + len(means)))
    return _Slice(which, int(inside.sum()), margin, interval, p_value)


def _holm(p_values: Mapping[str, float], alpha: float) -> set[str]:
    """The hypotheses that are rejected, the smallest first, until one is not."""
    rejected: set[str] = set()
    for place, name in enumerate(sorted(p_values, key=lambda name: (p_values[name], name))):
        if p_values[name] > alpha / (len(p_values) - place):
            break
        rejected.add(name)
    return rejected


def _slice_check(
    policy: DecidePromotion, which: str, found: _Slice | None, is_large: bool, is_harmed: bool, name: str
) -> Check:
    check, rules = f"slice_{which}", policy.slices
    if found is None:
        return Check(
            check, Verdict.PASS, None, None, f"nobody of the slice {which} bought in the holdout week"
        )
    interval = found.interval
    words = (
        f"{found.households} households of the slice {which}: {policy.metric} differs from {name} by "
        f"{interval.mean:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
    )
    if not is_large:
        words += f"; advisory only, the policy judges slices of {rules.minimum_households}"
    else:
        surely = "surely" if is_harmed else "not surely"
        words += f"; {surely} more than {rules.margin:.0%} worse (p {found.p_value:.4f}, Holm's rule over all slices)"
    ends = (interval.low, interval.high)
    return Check(
        check, Verdict.FAIL if is_harmed else Verdict.PASS, interval.mean, found.margin, words, *ends
    )


def best_baseline(means: Mapping[str, float], baselines: Sequence[str]) -> str:
    """The baseline with the highest mean, by name where two are level."""
    return max(sorted(baselines), key=lambda name: means[name])
