"""`shoploop keys`: who may ask the endpoint."""

from typing import Annotated

import typer

from pipelines.commands.console import fail, say, say_json, whisper

app = typer.Typer(name="keys", help="Make, list and take away keys of the endpoint.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="For people: who has it.")]


@app.command("add")
def add(
    name: Name,
    scope: Annotated[list[str], typer.Option(help="Of read, events, log and admin; repeat it for several.")],
    per_second: Annotated[
        float | None, typer.Option(min=0.001, help="Requests a second that it may make, of each process.")
    ] = None,
) -> None:
    """Make a key and print it, once: only its hash is kept."""
    from pipelines.settings import settings
    from pipelines.stack.endpoint_keys import KeysError, add_key
    from serving.keys import SCOPES

    if strange := [one for one in scope if one not in SCOPES]:
        fail(f"--scope {strange[0]}: expected one of {', '.join(SCOPES)}", 2)
    try:
        token = add_key(settings(), name, [one for one in SCOPES if one in scope], per_second)
    except KeysError as error:
        fail(str(error), 2)
    whisper(f"The key of {name}, which is not kept; the endpoint knows it within a second:")
    say(token)


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List the keys there are, without the keys themselves."""
    import msgspec

    from pipelines.settings import settings
    from pipelines.stack.endpoint_keys import KeysError, read_keys

    try:
        found = read_keys(settings())
    except KeysError as error:
        fail(str(error), 2)
    if as_json:
        say_json(msgspec.to_builtins(found))
        return
    for key in found:
        limit = "" if key.per_second is None else f"  at most {key.per_second:g} a second"
        say(f"  {key.name:<24} {','.join(key.scopes):<22} {key.created_at}{limit}")
    if not found:
        say("There are none. What needs no key where: docs/keys.md")


@app.command("remove")
def remove(name: Name) -> None:
    """Take a key away; the endpoint refuses it within a second."""
    from pipelines.settings import settings
    from pipelines.stack.endpoint_keys import KeysError, remove_key

    try:
        remove_key(settings(), name)
    except KeysError as error:
        fail(str(error), 2)
    say(f"{name} has no key any more.")
