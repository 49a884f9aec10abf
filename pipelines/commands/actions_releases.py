"""`shoploop action release_model` and `shoploop action roll_back`: what the tasks of that name run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.console import fail, say

NOT_WORTH_RETRYING = 2
TRY_AGAIN = 1

app = typer.Typer()
Workspace = Annotated[Path, typer.Option(help="Folder of the run.")]


@app.command("release_model")
def release_model(workspace: Workspace) -> None:
    """Make the Bento of this run live, or take the next step of that; what is live stays when anything fails."""
    from pipelines.actions.advance_release import advance_release as action
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    with failures_in_words():
        say(action(settings(), Ledger(settings().ledger), workspace))


@app.command("roll_back")
def roll_back(
    workspace: Workspace,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    release_id: Annotated[str, typer.Option(help="Where to go back to; the previous release if empty.")] = "",
    actor: Annotated[str, typer.Option(help="Who; kept in the ledger.")] = "rollback_release",
) -> None:
    """Make an earlier release live again."""
    from pipelines.actions.release_model import describe_switch
    from pipelines.actions.roll_back import roll_back as action
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    with failures_in_words():
        ledger = Ledger(settings().ledger)
        say(describe_switch(action(settings(), ledger, reason, actor, release_id or None, workspace)))


@app.command("watch_releases")
def watch_releases(workspace: Workspace) -> None:
    """Alert who is on call when nothing was released for too long."""
    from pipelines.actions.watch_releases import watch_releases as action
    from pipelines.params import load_params
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    here = settings()
    policy = load_params(here.checkout / "params.yaml").watch_releases
    say(action(here, policy, Ledger(here.ledger), workspace))


@app.command("check_release")
def check_release(workspace: Workspace) -> None:
    """Build the live release once more, train it with another seed, and keep what that tells."""
    from pipelines.actions.check_release import check_release as action
    from pipelines.params import load_params
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    here = settings()
    with failures_in_words():
        policy = load_params(here.checkout / "params.yaml").check_release
        say(action(here, policy, Ledger(here.ledger), workspace, say))


@contextmanager
def failures_in_words() -> Iterator[None]:
    """Turn the failures of moving traffic into a sentence and an exit code.

    1 where trying again may help (the endpoint or the ledger is down, somebody else moves traffic, no answer in time);
    2 where it cannot (another champion by now, a release that does not start).
    """
    from sqlalchemy.exc import OperationalError

    from pipelines.params import ParamsError
    from pipelines.releases.records import LeaseTaken, LedgerError
    from pipelines.releases.status import EndpointDown
    from pipelines.releases.switch import NotConfirmed, NotReady
    from pipelines.workspace import WorkspaceError

    try:
        yield
    except (EndpointDown, LeaseTaken, NotConfirmed) as error:
        fail(str(error), TRY_AGAIN)
    except OperationalError as error:
        fail(
            f"the ledger cannot be reached ({str(error.orig).splitlines()[0]}): try again once it is back",
            TRY_AGAIN,
        )
    except (LedgerError, NotReady, ParamsError, WorkspaceError) as error:
        fail(str(error), NOT_WORTH_RETRYING)
