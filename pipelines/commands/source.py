"""`shoploop source`: describe a shop's own data, check the description, and work for that shop."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.console import fail, say, say_json, whisper

if TYPE_CHECKING:
    from pipelines.sources.declaration import SourceDeclaration
    from pipelines.sources.findings import SourceFinding

app = typer.Typer(
    name="source", help="Bring your own shop: describe its data, check, and use them.", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document for scripts.")]
Named = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name in sources/, or a YAML file.")]


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What to call it: small letters, digits and underscores.")],
    location: Annotated[
        str,
        typer.Option(help="Folder, s3://bucket/prefix, database URL, http(s) URL, or published data set."),
    ] = "",
    kind: Annotated[
        str, typer.Option(help="files, database, stream or published; else what the location looks like.")
    ] = "",
    from_: Annotated[
        str, typer.Option("--from", help="Only these files (a glob) or this table; else all that is there.")
    ] = "",
    timezone: Annotated[
        str, typer.Option(help="Of moments that carry no zone, for example Europe/Berlin.")
    ] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code, for example EUR.")] = "",
) -> None:
    """Write a first sources/NAME.yaml, guessed from what lies at a location.

    Asks for what the options leave open. The guesses are for you to correct.
    """
    from pipelines.settings import settings
    from pipelines.sources.adding import add_source
    from pipelines.sources.published.presets import load_preset, parse_place
    from pipelines.sources.sniffing import kind_of

    location = location or _asked("--location", "Where are the data")
    top = {"name": name, "kind": kind or kind_of(location), "location": location}
    if top["kind"] == "published":
        with explained():
            preset = load_preset(parse_place(location).preset)
        timezone, currency = timezone or preset.timezone, currency or preset.currency
    top["timezone"] = timezone or _asked(
        "--timezone", "Time zone of moments that carry none, such as Europe/Berlin"
    )
    top["currency"] = currency or _asked("--currency", "Currency, such as EUR")
    with explained():
        path = add_source(settings().checkout, top, from_ or None)
    say(f"Wrote {path}: read it, and correct what was guessed wrongly")
    say(f"Next: `shoploop source check {name}` shows what it makes of the data")


def _asked(option: str, question: str) -> str:
    if not sys.stdin.isatty():
        fail(f"Say {option}: nobody is there to be asked.", code=2)
    return str(typer.prompt(question))


@app.command("check")
def check(
    source: Named,
    rows: Annotated[int | None, typer.Option(help="Only so many rows of each data set.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Show what landing a source would come to, without landing anything.

    Exit code 2 when landing would refuse it.
    """
    from pipelines.commands.source_screen import screen

    with explained():
        declaration = _load(source)
        found = _check(declaration, rows)
    if as_json:
        say_json({"source": declaration.name, **asdict(found)})
    else:
        for line in screen(declaration, found):
            say(line)
    raise typer.Exit(2 if found.refusals else 0)


@app.command("use")
def use(source: Annotated[str, typer.Argument(metavar="NAME", help="A name in sources/.")]) -> None:
    """Make a source the shop's: check it, and write its `shop:` block into params.yaml."""
    from pipelines.settings import settings
    from pipelines.sources.shop_params import write_shop

    with explained():
        declaration = _load(source)
        found = _check(declaration, None)
        if found.refusals or found.shop is None:
            fail(f"{'; '.join(found.refusals)}; see `shoploop source check {source}`", code=2)
        changes = write_shop(settings().checkout / "params.yaml", found.shop)
    say(
        "\n".join(["Changed in params.yaml", *(f"  {change}" for change in changes)])
        if changes
        else "All was so."
    )
    say("Next: `shoploop land --weeks 0` lands the history, `shoploop run` does everything")


@app.command("list")
def list_sources(as_json: AsJson = False) -> None:
    """List the sources that are described in sources/."""
    from pipelines.params import load_params
    from pipelines.settings import settings
    from pipelines.sources.declaration import SourceError, load_source

    checkout = settings().checkout
    with explained():
        used = load_params(checkout / "params.yaml").shop.source
    rows = []
    for path in sorted((checkout / "sources").glob("*.yaml")):
        row = {"name": path.stem, "used": path.stem == used}
        try:
            found = load_source(path)
            row |= {"kind": found.kind, "location": found.shown_location, "data_sets": list(found.data_sets)}
        except SourceError as error:
            row["error"] = str(error)
        rows.append(row)
    if as_json:
        say_json({"used": used, "sources": rows})
        return
    for row in rows:
        about = row.get("error") or f"{row['kind']}, {row['location']}: {', '.join(row['data_sets'])}"  # type: ignore[arg-type]
        say(f"{'*' if row['used'] else ' '} {row['name']:<20} {about}")
    if used not in {row["name"] for row in rows}:
        say(f"* {used:<20} built in")


@app.command("published")
def list_published(as_json: AsJson = False) -> None:
    """List the published data sets that a source may be, with what they may be used for."""
    from pipelines.settings import settings
    from pipelines.sources.published.listing import listed, shown

    with explained():
        presets = listed()
    if as_json:
        say_json({"presets": presets})
        return
    for line in shown(presets, settings().published):
        say(line)


@contextmanager
def explained() -> Iterator[None]:
    """Bad input ends with its message and exit code 2."""
    from pipelines.contracts.declaration import ContractError
    from pipelines.params import ParamsError
    from pipelines.sources.declaration import SourceError
    from pipelines.tables import StorageError

    try:
        yield
    except (ContractError, ParamsError, SourceError, StorageError) as error:
        fail(str(error), code=2)


def _load(source: str) -> "SourceDeclaration":
    from pipelines.settings import settings
    from pipelines.sources.declaration import SourceError, load_source
    from pipelines.sources.readers import COMPLETE_JOURNEY

    if source.endswith((".yaml", ".yml")):
        return load_source(Path(source))
    folder = settings().checkout / "sources"
    if source == COMPLETE_JOURNEY:
        from pipelines.sources.complete_journey_check import declaration

        return declaration()
    if not (folder / f"{source}.yaml").is_file():
        there = ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))) or "none"
        raise SourceError(
            f"{folder}: expected {source}.yaml, found {there}; `shoploop source add {source}` writes it"
        )
    return load_source(folder / f"{source}.yaml")


def _check(declaration: "SourceDeclaration", rows: int | None) -> "SourceFinding":
    from pipelines.clock import real_time
    from pipelines.params import load_params
    from pipelines.settings import settings
    from pipelines.sources.checking import check_source

    checkout = settings().checkout
    limits = load_params(checkout / "params.yaml").validate_data
    return check_source(declaration, checkout, limits, real_time(), whisper, rows)
