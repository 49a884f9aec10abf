"""Make the Bento of a run live: warmed first, compare-and-set in the ledger, seen on the public port."""

import hashlib
from pathlib import Path
from typing import Any

from pipelines.domain import Verdict
from pipelines.releases.ledger import Ledger
from pipelines.releases.overrides import standing_override
from pipelines.releases.records import LedgerError, Release, utc_now
from pipelines.releases.switch import Mover, Switch
from pipelines.run_facts import RunFacts, read_result, write_result
from pipelines.settings import Settings

ACTOR = "train_recommender"


def release_model(settings: Settings, ledger: Ledger, workspace: Path, mover: Mover | None = None) -> Switch:
    """Release what this run built and both gates passed; running it again changes nothing.

    Reads the results of ``open_run``, ``read_decision``, ``register_version``, ``build_bento`` and
    ``decide_package``; writes ``run/release_model.json``.

    Args:
        settings: Of this installation.
        ledger: The record of what is live.
        workspace: Of the run.
        mover: Moves traffic; made from the settings when not given.

    Raises:
        LedgerError: A gate did not pass, or something else is live than the champion it was judged against
            (`StaleMove`), or somebody else is moving traffic (`LeaseTaken`).
        EndpointDown: No endpoint is running.
        NotReady: The release did not start. What was live is still live.
        NotConfirmed: The public port never answered from it; the former release was put back.
    """
    facts = RunFacts.read(workspace)
    release = describe_release(ledger, facts, workspace)
    reason = facts.reason or str(read_result(workspace, "read_decision").get("note", "both gates passed"))
    switch = (mover or Mover(ledger, settings)).release(release, facts.champion_release_id, ACTOR, reason)
    from pipelines.actions.refresh_state import (
        refresh_after,  # `describe_switch` is imported where speed counts
    )

    refresh_after(settings, ledger, switch)
    write_result(workspace, "release_model", switch.as_dict() | {"note": describe_switch(switch)})
    return switch


def describe_release(ledger: Ledger, facts: RunFacts, workspace: Path) -> Release:
    """The release that the results of a run amount to.

    Raises:
        LedgerError: One of its gates did not pass, and nobody answers for it any more.
    """
    quality, package = (_passed(ledger, workspace, action) for action in ("read_decision", "decide_package"))
    bento = read_result(workspace, "build_bento")
    return Release(
        release_id=bento["release_id"],
        created_at=utc_now(),
        run_id=facts.run_id,
        # The package decision is kept too, and is found by its run.
        decision_id=quality.get("decision_id") or package["decision_id"],
        bento_tag=bento["bento_tag"],
        bento_path=bento["bento_path"],
        bundle_sha256=bento["bundle_sha256"],
        model_version=str(read_result(workspace, "register_version").get("model_version") or ""),
        week=facts.week,
        tree_id=facts.tree_id,
        dirty=facts.dirty,
        dvc_lock_sha256=_sha256(workspace / "dvc.lock"),
        params_sha256=facts.params_sha256,
        lock_sha256=facts.lock_sha256,
    )


def describe_switch(switch: Switch) -> str:
    """What moving traffic did, in a sentence."""
    before = switch.previous_release_id or "no release"
    if switch.seq is None:
        return f"{switch.release_id} is live already; nothing was moved"
    return (
        f"{switch.release_id} is live (before: {before}); it answered on the public port"
        f" {switch.switch_seconds:.2f} s after the move, {switch.seconds:.2f} s in all;"
        f" head of the ledger {switch.ledger_head[:12]}"
    )


def _passed(ledger: Ledger, workspace: Path, action: str) -> dict[str, Any]:
    result = read_result(workspace, action)
    if result.get("verdict") == Verdict.PASS:
        return result
    where = f"{workspace / 'run' / action}.json: verdict {result.get('verdict')!r}"
    if not result.get("override_id"):
        raise LedgerError(f"{where}; only PASS is released")
    if standing_override(ledger, result["decision_id"]) is None:
        raise LedgerError(
            f"{where}, and its override {result['override_id']} has lapsed: give another one with "
            f"`shoploop gate override {result['decision_id']}`, or leave it refused"
        )
    return result


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
