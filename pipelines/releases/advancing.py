"""Letting a release before the shoppers step by step: each call makes one step, or none, from what the ledger says."""

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.params import AdvanceRelease
from pipelines.releases.judge import Verdict, judge
from pipelines.releases.observing import NotObserved, observe, take_baseline
from pipelines.releases.records import Release, Step, utc_now
from pipelines.releases.status import read_status
from pipelines.releases.stepping import ABORTED, CANARY, SHADOW, steps, take_step
from pipelines.releases.switch import Mover


@dataclass(frozen=True)
class Progress:
    """How far a release has come.

    Attributes:
        release_id: The candidate.
        state: ``shadow``, ``canary``, ``live`` or ``aborted``.
        share: Of the shoppers, that it answers now.
        reason: Of this state, in words.
        stepped: Whether this call changed anything.
    """

    release_id: str
    state: str
    share: float
    reason: str
    stepped: bool

    @property
    def is_over(self) -> bool:
        """There is no step left to take."""
        return self.state not in (SHADOW, CANARY)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def advance(
    mover: Mover, policy: AdvanceRelease, release: Release, expected_live: str | None, actor: str
) -> Progress:
    """Take the step that is due; calling it again, after a kill too, goes on from what the ledger says.

    Args:
        mover: Moves traffic.
        policy: Of the steps and of the judge.
        release: What passed its gates.
        expected_live: The live release that it was judged against; without one it is released at once.
        actor: Who does it.

    Raises:
        EndpointDown, NotReady, NotConfirmed, LeaseTaken: As for `Mover.release`.
        StaleMove: Something else is live, or another candidate is on its way.
    """
    ledger = mover.ledger
    release = ledger.add_release(release)
    plan = ledger.plan()
    if expected_live is None or (plan.live is not None and plan.live.release_id == release.release_id):
        return _release(mover, release, expected_live, actor, "there is no release to compare it with")
    if plan.candidate is not None and plan.candidate.release_id == release.release_id:
        return _judge(mover, policy, release, plan.candidate, actor)
    last = next((step for step in reversed(steps(ledger)) if step.release_id == release.release_id), None)
    moves = ledger.history()
    if last is not None and last.step == ABORTED and moves and last.move_seq == moves[-1].seq:
        return Progress(release.release_id, ABORTED, 0.0, last.reason, stepped=False)
    return _begin(mover, policy, release, expected_live, actor)


def abort(mover: Mover, actor: str, reason: str) -> Progress | None:
    """Take the candidate that is on its way from the shoppers, ``None`` when there is none."""
    step = mover.ledger.plan().candidate
    if step is None:
        return None
    return _abort(mover, step, actor, reason)


def _begin(
    mover: Mover, policy: AdvanceRelease, release: Release, expected_live: str, actor: str
) -> Progress:
    taken = steps(mover.ledger)
    try:
        mover.prepare(release.release_id)
        shares = (*([0.0] if policy.shadow_requests else []), *policy.canary_shares)
        reason = f"first of {len(shares)} steps"
        seq = taken[-1].seq if taken else 0
        return _take(mover, policy, release.release_id, (expected_live, seq), shares[0], actor, reason)
    finally:
        mover.ledger.withdraw_preparation(release.release_id)


def _take(
    mover: Mover,
    policy: AdvanceRelease,
    release_id: str,
    expected: tuple[str, int],
    share: float,
    actor: str,
    reason: str,
) -> Progress:
    baseline = take_baseline(mover.settings, release_id, expected[0], policy.slow_seconds)
    step = take_step(mover.ledger, release_id, expected, CANARY, share, actor, reason, baseline.to_json())
    return Progress(release_id, step.kind, share, reason, stepped=True)


def _judge(mover: Mover, policy: AdvanceRelease, release: Release, step: Step, actor: str) -> Progress:
    status = read_status(mover.settings).releases.get(release.release_id)
    if status is not None and status.state == "failed":
        return _abort(mover, step, actor, f"it does not run: {status.reason}")
    try:
        observed = observe(mover.settings, step, policy.slow_seconds, utc_now())
    except NotObserved as error:
        # It is starting, with the endpoint or after a crash; a crash counts as soon as it is ready or has given up.
        return Progress(release.release_id, step.kind, step.share, str(error), stepped=False)
    if step.kind == SHADOW:
        policy = policy.model_copy(update={"minimum_requests": policy.shadow_requests})
    judgement = judge(policy, observed)
    if judgement.verdict is Verdict.ROLL_BACK:
        return _abort(mover, step, actor, judgement.reason)
    if judgement.verdict is Verdict.CONTINUE:
        return Progress(release.release_id, step.kind, step.share, judgement.reason, stepped=False)
    larger = [share for share in policy.canary_shares if share > step.share]
    if not larger:
        return _release(mover, release, step.live_release_id, actor, judgement.reason)
    expected = (step.live_release_id, step.seq)
    return _take(mover, policy, release.release_id, expected, larger[0], actor, judgement.reason)


def _abort(mover: Mover, step: Step, actor: str, reason: str) -> Progress:
    expected = (step.live_release_id, step.seq)
    take_step(mover.ledger, step.release_id, expected, ABORTED, 0.0, actor, reason)
    return Progress(step.release_id, ABORTED, 0.0, reason, stepped=True)


def _release(mover: Mover, release: Release, expected_live: str | None, actor: str, reason: str) -> Progress:
    switch = mover.release(release, expected_live, actor, reason)
    return Progress(release.release_id, "live", 1.0, reason, stepped=switch.seq is not None)
