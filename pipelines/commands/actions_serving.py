"""What the tasks around the endpoint run: `build_bento`, `decide_package`, `refresh_state`, `recommend_all`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.console import fail, say

NOT_WORTH_RETRYING = 2

app = typer.Typer()
Workspace = Annotated[Path, typer.Option(help="Folder of the run.")]


@app.command("build_bento")
def build_bento(workspace: Workspace) -> None:
    """Build the Bento of this run; building it again finds it."""
    from pipelines.actions.build_bento import build_bento as action
    from pipelines.settings import settings

    with failures_in_words():
        built = action(settings(), workspace)
    say(f"{built['bento_tag']} in {built['bento_path']}")


@app.command("decide_package")
def decide_package(workspace: Workspace) -> None:
    """Start the built Bento, judge it, and choose the branch."""
    from pipelines.actions.decide_package import decide_package as action
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    with failures_in_words():
        result = action(settings(), Ledger(settings().ledger), workspace)
    say(str(result["text"]))
    say(f"The run goes on with {result['branch']}")


@app.command("refresh_state")
def refresh_state(
    workspace: Annotated[Path | None, typer.Option(help="Where to leave the result.")] = None,
) -> None:
    """Give the endpoint the histories that have landed."""
    from pipelines.actions.refresh_state import refresh_state as action
    from pipelines.settings import settings

    with failures_in_words():
        say(action(settings(), workspace).message)


@app.command("recommend_all")
def recommend_all(
    workspace: Workspace,
    k: Annotated[int, typer.Option("--k", help="Items for each shopper.", min=1, max=100)] = 10,
) -> None:
    """Write what the live release recommends to every shopper it knows."""
    from pipelines.actions.recommend_all import CampaignError
    from pipelines.actions.recommend_all import recommend_all as action
    from pipelines.run_facts import write_result
    from pipelines.settings import settings
    from pipelines.stack.endpoint_keys import key_header

    file = settings().campaigns / f"{workspace.resolve().name}.parquet"
    with failures_in_words():
        try:
            made = action(settings(), file, k, say, key_header(settings()))
        except CampaignError as error:
            fail(str(error))
    write_result(
        workspace, "recommend_all", {"note": made.message, "file": str(file), "shoppers": made.shoppers}
    )
    say(made.message)


@contextmanager
def failures_in_words() -> Iterator[None]:
    """Turn failures that would happen again into a sentence and exit code 2; the rest may be retried."""
    from pipelines.domain import BundleError
    from pipelines.params import ParamsError
    from pipelines.releases.bento_build import BentoBuildError
    from pipelines.tables import StorageError
    from pipelines.workspace import WorkspaceError

    try:
        yield
    except (BentoBuildError, BundleError, ParamsError, StorageError, WorkspaceError) as error:
        fail(str(error), NOT_WORTH_RETRYING)
