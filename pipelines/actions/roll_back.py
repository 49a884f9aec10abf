"""Go back to the previous or a named release, without retraining."""

from dataclasses import asdict
from pathlib import Path

from pipelines.actions.release_model import describe_switch
from pipelines.releases.ledger import Ledger
from pipelines.releases.switch import Mover, Rollback, Switch
from pipelines.run_facts import read_result, write_result
from pipelines.settings import Settings
from pipelines.workspace import WorkspaceError

TARGET = "roll_back_target"


def roll_back(
    settings: Settings,
    ledger: Ledger,
    reason: str,
    actor: str,
    to: str | None = None,
    workspace: Path | None = None,
) -> Switch:
    """Make an earlier release live and wait until the public port answers from it.

    With a workspace it can be repeated without harm: what an earlier try in it went back to is gone back to
    once, and a try that finds it live moves nothing.

    Args:
        settings: Of this installation.
        ledger: The record of what is live.
        reason: Why; kept in the ledger.
        actor: Who.
        to: Release id; the previous release when not given.
        workspace: Where to leave ``run/roll_back.json`` for the task that asked, and
            ``run/roll_back_target.json`` for its next try.

    Raises:
        LedgerError: There is nothing to go back to, or the name is unknown, or the reason is missing.
        EndpointDown: No endpoint is running.
        StaleMove: Something else became live than what an earlier try, or this one, wanted to replace.
        NotReady: The release does not start any more. What was live is still live.
        NotConfirmed: The public port did not answer from it in time.
    """
    mover = Mover(ledger, settings)
    if workspace is None:
        switch = mover.roll_back(to, actor, reason)
    else:
        switch = _roll_back_once(mover, reason, actor, to, workspace)
    from pipelines.actions.refresh_state import refresh_after  # takes a while to import: traffic moves first

    refresh_after(settings, ledger, switch)
    if workspace is not None:
        write_result(workspace, "roll_back", switch.as_dict() | {"note": describe_switch(switch)})
    return switch


def _roll_back_once(mover: Mover, reason: str, actor: str, to: str | None, workspace: Path) -> Switch:
    tried = _tried(workspace)
    if tried is not None and to in (None, tried.release_id):
        return mover.resume(tried, actor, reason)
    rollback = mover.plan_rollback(to)
    # Before the move: once it is made, "the previous" is another release.
    write_result(workspace, TARGET, asdict(rollback))
    return mover.carry_out(rollback, actor, reason)


def _tried(workspace: Path) -> Rollback | None:
    try:
        return Rollback(**read_result(workspace, TARGET))
    except WorkspaceError:
        return None
