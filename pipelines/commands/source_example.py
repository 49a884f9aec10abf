"""`shoploop source example`: an export to try a declaration on."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.console import fail, say


def example(
    folder: Annotated[Path, typer.Argument(help="Where to write it; is made.", file_okay=False)],
    weeks: Annotated[int, typer.Option(help="Weeks of the year, the last one not over.", min=2, max=53)] = 45,
    households: Annotated[
        int | None, typer.Option(help="How many of the households; all by default.", min=1)
    ] = None,
    messy: Annotated[bool, typer.Option(help="Spoil one order line in fifty, as real exports are.")] = False,
) -> None:
    """Write an export as shop systems write them, made from the default shop.

    Order lines by month with semicolons, decimal commas, days first and no time zone; a catalog; customers.
    """
    from pipelines.sources.example_export import write_example

    say(f"Writing {weeks} weeks to {folder}; the whole year takes half a minute")
    try:
        written = write_example(folder, weeks, households, messy)
    except OSError as error:
        fail(f"{folder}: cannot be written ({error.strerror or error}); choose another folder", code=2)
    say(f"{written.rows:,} order lines in {len(written.files) - 2} files, products.csv and customers.csv")
    for fault, rows in sorted(written.spoiled.items()):
        say(f"  {rows:,} lines: {fault}")
    say(f"Next: `shoploop source add NAME --location {folder}` describes it")
