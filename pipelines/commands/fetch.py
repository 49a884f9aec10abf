"""`shoploop fetch`: the inputs of `dvc repro`, without Airflow."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.console import say


def fetch(
    workspace: Annotated[
        Path,
        typer.Option(help="The checkout to fetch into.", exists=True, file_okay=False, resolve_path=True),
    ] = Path(),
) -> None:
    """Fetch the inputs of `dvc repro`.

    That is the landed data, the champion and what training may begin with, into data/inputs of a checkout.
    """
    from pipelines.actions.fetch_champion import fetch_champion, fetch_start
    from pipelines.actions.fetch_inputs import fetch_inputs
    from pipelines.commands.actions_data import explained
    from pipelines.params import load_params
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    with explained():
        say(fetch_inputs(settings(), workspace).message)
        champion = fetch_champion(Ledger(settings().ledger), settings().bentoml_home, workspace)
        fetch_start(workspace, load_params(workspace / "params.yaml").train_sequence.warm_start)
    say(f"champion: {champion or 'none yet'}")
