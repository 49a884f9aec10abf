"""Does a release stand on its recorded inputs alone, and not on the luck of a seed? ``decide(policy, evidence)``.

Rebuilding and training again cost as much as a run, so this is asked of the live release on a schedule, not of each
candidate. It cannot take a release back: it tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import Check, Decision, Verdict
from pipelines.evaluation.bootstrap import paired_interval
from pipelines.gates.quality import worst
from pipelines.params import CheckRelease


@dataclass(frozen=True)
class Stability:
    """What a decision rests on.

    Attributes:
        release_id: The release.
        week: Its holdout week.
        compared: How many things of the rebuild were compared.
        differing: Those that differ from what was recorded.
        values: NDCG@10 of each household by the release, shape ``(households,)``.
        other_values: The same by the model of the other seed.
        first_tens: Of some shoppers, the first ten items by the release.
        other_tens: The same by the model of the other seed, in the same order.
    """

    release_id: str
    week: int
    compared: int
    differing: tuple[str, ...]
    values: NDArray[np.float64]
    other_values: NDArray[np.float64]
    first_tens: Sequence[Sequence[str]]
    other_tens: Sequence[Sequence[str]]


def decide(policy: CheckRelease, seen: Stability) -> Decision:
    """Judge a release by its rebuild and by a second training."""
    checks = [_rebuilt_the_same(seen), _as_good(policy, seen), _alike(policy, seen)]
    verdict = worst([check.verdict for check in checks])
    failed = [check for check in checks if check.verdict is not Verdict.PASS]
    why = (
        "; ".join(check.message for check in failed) or "it is rebuilt the same, and another seed ranks alike"
    )
    evidence = {"release_id": seen.release_id, "week": seen.week, "households": int(seen.values.size)}
    return Decision("stability", verdict, tuple(checks), f"{verdict}: {why}", evidence)


def _rebuilt_the_same(seen: Stability) -> Check:
    same = seen.compared - len(seen.differing)
    words = f"{same} of {seen.compared} things are the same after a rebuild from what was recorded"
    if seen.differing:
        words += f"; these differ: {', '.join(seen.differing)}"
    verdict = Verdict.FAIL if seen.differing else Verdict.PASS
    return Check("rebuilt_the_same", verdict, None, None, words)


def _as_good(policy: CheckRelease, seen: Stability) -> Check:
    """The difference is surely within the margin, to either side: a seed that is much better is luck as well."""
    interval = paired_interval(
        seen.other_values,
        seen.values,
        samples=policy.bootstrap_samples,
        confidence=policy.confidence,
        seed=policy.other_seed,
    )
    ours = float(seen.values.mean())
    margin = policy.seed_margin * ours
    if -margin < interval.low and interval.high < margin:
        verdict, words = Verdict.PASS, "is as good as"
    elif interval.low > margin or interval.high < -margin:
        verdict, words = Verdict.FAIL, "differs from"
    else:
        verdict, words = Verdict.INSUFFICIENT_EVIDENCE, "cannot be told to be as good as"
    message = (
        f"the model of seed {policy.other_seed} {words} the release: NDCG@10 {seen.other_values.mean():.4f} against "
        f"{ours:.4f} on {seen.values.size} households, difference {interval.mean:+.4f} ({interval.low:+.4f} to "
        f"{interval.high:+.4f}, {policy.confidence:.0%}); allowed is {margin:.4f} to either side"
    )
    return Check("seeds_are_as_good", verdict, None, None, message)


def _alike(policy: CheckRelease, seen: Stability) -> Check:
    pairs = zip(seen.first_tens, seen.other_tens, strict=True)
    shares = [len(set(one) & set(other)) / max(len(one), 1) for one, other in pairs]
    share = float(np.mean(shares)) if shares else 0.0
    verdict = Verdict.PASS if share >= policy.alike_low else Verdict.FAIL
    message = f"{share:.0%} of the first ten items of {len(shares)} shoppers are the same by either seed"
    return Check("seeds_rank_alike", verdict, share, policy.alike_low, message)
