"""`shoploop gc`, and what the DAG `collect_garbage` runs."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.actions_releases import failures_in_words
from pipelines.commands.console import say, say_json, whisper

app = typer.Typer()


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Remove old workspaces, Bentos, cache and MLflow runs.

    collect_garbage in params.yaml says what is kept. The live and the previous release stay whole, and the ledger
    keeps every row.
    """
    _collect(dry_run, as_json, None)


@app.command("collect_garbage")
def collect_garbage(workspace: Annotated[Path, typer.Option(help="Folder of the run.")]) -> None:
    """Remove what the policy does not keep."""
    _collect(False, False, workspace)


def _collect(dry: bool, as_json: bool, workspace: Path | None) -> None:
    from pipelines.actions.collect_garbage import collect_garbage as action
    from pipelines.actions.collect_garbage import describe
    from pipelines.params import load_params
    from pipelines.registry import Registry
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    here = settings()
    policy = load_params(here.checkout / "params.yaml").collect_garbage
    registry: Registry | None = Registry(here.mlflow, patient=False)
    if registry and not registry.answers():
        (whisper if as_json else say)(
            f"MLflow does not answer at {here.mlflow}: its runs are left as they are"
        )
        registry = None
    with failures_in_words():
        found = action(here, policy, Ledger(here.ledger), registry, dry, workspace)
    told = describe(found)
    if as_json:
        say_json(told | {"dry_run": dry})
        return
    for one in found:
        say(f"  {one.kind:<10} {one.mebibytes:>9,.1f} MiB  {one.name}")
    if dry:
        say("Nothing was removed: this was a dry run. Of the cache, what only these refer to would go too.")
    else:
        say(f"Done: {told['note']}.")
    say(
        f"Kept: the newest {policy.releases_kept} releases, what is live or warm, and what changed in the last "
        f"{policy.days_kept:g} days (collect_garbage in params.yaml)."
    )
