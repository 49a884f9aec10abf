"""`shoploop features`: what the features mean, what they are made of, and what they say."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands import replay
from pipelines.commands.console import fail, say, say_json

if TYPE_CHECKING:
    from pipelines.features.catalog import Catalog, Feature

app = typer.Typer(
    name="features",
    help="What the features mean, what they are made of, what they say.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Name = Annotated[str, typer.Argument(help="A view, as `shoploop features list` names it.")]

app.command()(replay.replay)


@contextmanager
def _in_words() -> Iterator[None]:
    """End the command with a sentence where a view is unknown or broken, or nothing is built."""
    from pipelines.features.views import FeatureError
    from pipelines.params import ParamsError

    try:
        yield
    except (FeatureError, ParamsError) as error:
        fail(str(error), code=2)


def _catalog() -> "Catalog":
    from pipelines.features.catalog import Catalog
    from pipelines.params import load_params
    from pipelines.settings import settings

    return Catalog(load_params(settings().checkout / "params.yaml").build_features.views)


@app.command("list")
def list_features(as_json: AsJson = False) -> None:
    """List the views: what a row of each is, its key, how far back it looks, its columns."""
    from pipelines.features.catalog import summary_of

    with _in_words():
        views = [summary_of(view) for view in _catalog().views.values()]
    if as_json:
        say_json(views)
        return
    for view in views:
        say(f"{view['name']}: {_first_sentence(view['meaning'])}")
        say(f"  key      {', '.join(view['key'])}")
        say(f"  windows  {view['windows'] or 'not said'}")
        say(f"  columns  {', '.join(view['columns'])}\n")
    say("`shoploop features show NAME` says what each column means and is made of.")


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show one view: what its columns mean, from which columns of the contracts each comes, its SQL."""
    with _in_words():
        catalog = _catalog()
        feature, faults = catalog.feature(name), catalog.faults(name)
    if as_json:
        say_json(feature.as_dict() | {"faults": faults})
    else:
        _say_feature(feature, faults)


def _say_feature(feature: "Feature", faults: list[str]) -> None:
    from pipelines.features.catalog import statement_of, words_for

    view = feature.view
    say(f"{view.name}: {view.meaning}")
    if view.notes:
        say(view.notes)
    say(f"\n  key      {', '.join(view.key)}")
    say(f"  windows  {view.windows or 'not said'}")
    say(f"  reads    {', '.join(feature.reads)}\n")
    for column, origins in feature.lineage.items():
        say(f"  {column}: {view.columns.get(column, 'not described')}")
        say(f"      from {words_for(origins)}")
    for fault in faults:
        say(f"  {view.name}.sql: {fault}")
    say(f"\n{statement_of(view)}")


@app.command()
def sample(
    name: Name,
    user: Annotated[str, typer.Option(help="Rows of one shopper.")] = "",
    item: Annotated[str, typer.Option(help="Rows of one item.")] = "",
    rows: Annotated[int, typer.Option(help="At most how many rows.", min=1, max=10_000)] = 10,
    as_json: AsJson = False,
) -> None:
    """Show rows of a view as it was last built: in this checkout, else in the newest run."""
    from pipelines.features import catalog
    from pipelines.settings import settings

    wanted = {column: value for column, value in (("user_id", user), ("item_id", item)) if value}
    with _in_words():
        _catalog().view(name)
        path = catalog.find_built(settings().checkout, settings().workspaces, name)
        found = catalog.sample(path, wanted, rows)
    if as_json:
        say_json({"file": str(path), "rows": found})
        return
    say(f"{path}")
    if found:
        _print_rows(found)
    else:
        say("No row" + "".join(f", {column} = {value}" for column, value in wanted.items()))


def _print_rows(rows: list[dict[str, Any]]) -> None:
    """One row a line, nothing cut short."""
    cells = [[*rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _first_sentence(text: str) -> str:
    return text.split(". ")[0].rstrip(".") + "."
