"""Go back to the previous or a named release, without retraining."""

from pathlib import Path

from pipelines.actions.release_model import describe_switch
from pipelines.releases.ledger import Ledger
from pipelines.releases.switch import Mover, Switch
from pipelines.run_facts import write_result
from pipelines.settings import Settings


def roll_back(
    settings: Settings,
    ledger: Ledger,
    reason: str,
    actor: str,
    to: str | None = None,
    workspace: Path | None = None,
) -> Switch:
    """Make an earlier release live and wait until the public port answers from it.

    Args:
        settings: Of this installation.
        ledger: The record of what is live.
        reason: Why; kept in the ledger.
        actor: Who.
        to: Release id; the previous release when not given.
        workspace: Where to leave ``run/roll_back.json`` for the task that asked.

    Raises:
        LedgerError: There is nothing to go back to, or the name is unknown, or the reason is missing.
        EndpointDown: No endpoint is running.
        NotReady: The release does not start any more. What was live is still live.
        NotConfirmed: The public port did not answer from it in time.
    """
    switch = Mover(ledger, settings).roll_back(to, actor, reason)
    if workspace is not None:
        write_result(workspace, "roll_back", switch.as_dict() | {"note": describe_switch(switch)})
    return switch
