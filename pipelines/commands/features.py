"""`shoploop features`: the features that training and serving share."""

import typer

from pipelines.commands import replay

app = typer.Typer(name="features", help="The features that training and serving share.", no_args_is_help=True)


@app.callback()
def features() -> None:
    """The features that training and serving share."""


app.command()(replay.replay)
