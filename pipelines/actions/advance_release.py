"""Take the step that is due of a run's release: at once to all shoppers, or to ever more of them."""

from pathlib import Path
from typing import Any

from pipelines.actions.release_model import ACTOR, describe_release, describe_switch, release_model
from pipelines.params import AdvanceRelease, load_params
from pipelines.releases.advancing import Progress, advance
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LedgerError
from pipelines.releases.stepping import ABORTED, CANARY, SHADOW
from pipelines.releases.switch import Mover
from pipelines.run_facts import RunFacts, write_result
from pipelines.settings import Settings


def advance_release(settings: Settings, ledger: Ledger, workspace: Path, mover: Mover | None = None) -> str:
    """Release what a run built, or take the next step of that; running it again goes on.

    With neither ``shadow_requests`` nor ``canary_shares`` in ``params.yaml``, or no champion to compare with, all is
    done in one move.
    Writes ``run/release_model.json``, with ``again_in`` seconds while there are steps left.

    Returns:
        What was done, in a sentence.

    Raises:
        LedgerError: As for `release_model`; and when the release was taken back, now or by an earlier call.
        EndpointDown, NotReady, NotConfirmed: As for `release_model`.
    """
    policy = load_params(workspace / "params.yaml").advance_release
    facts = RunFacts.read(workspace)
    steps = policy.shadow_requests or policy.canary_shares
    if not steps or facts.champion_release_id is None:
        return describe_switch(release_model(settings, ledger, workspace, mover))
    mover = mover or Mover(ledger, settings)
    release = describe_release(ledger, facts, workspace)
    progress = advance(mover, policy, release, facts.champion_release_id, ACTOR)
    words = describe_progress(progress)
    if progress.state == ABORTED:
        raise LedgerError(words)
    if progress.is_over:
        # Finds it live, and does what else belongs to a release.
        release_model(settings, ledger, workspace, mover)
    else:
        write_result(workspace, "release_model", _still_on_its_way(policy, progress, words))
    return words


def describe_progress(progress: Progress) -> str:
    """How far a release is, in a sentence."""
    if progress.state == CANARY:
        return f"{progress.release_id} answers {progress.share:.0%} of the shoppers: {progress.reason}"
    if progress.state == SHADOW:
        return f"{progress.release_id} is asked what the live release is asked, and shown to nobody: {progress.reason}"
    if progress.state == ABORTED:
        return f"{progress.release_id} was taken back, what was live is still live: {progress.reason}"
    return f"{progress.release_id} is live: {progress.reason}"


def _still_on_its_way(policy: AdvanceRelease, progress: Progress, words: str) -> dict[str, Any]:
    return progress.as_dict() | {"note": words, "again_in": policy.seconds_between_looks}
