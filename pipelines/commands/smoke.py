"""`shoploop smoke`: ask every route of a running endpoint."""

from typing import Annotated

import typer

from pipelines.commands.console import fail, say, say_json

SECONDS = 30


def smoke(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="http://HOST:PORT; this installation's endpoint without.")
    ] = "",
    key: Annotated[
        str,
        typer.Option(
            envvar="SHOPLOOP_KEY",
            show_envvar=True,
            help="For what is not open there; processes can see an option.",
        ),
    ] = "",
    writes: Annotated[
        bool,
        typer.Option(
            "--writes",
            help="Also post a purchase and hide an item for a moment: for an endpoint on trial, not for a live shop.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Ask every route of a running endpoint, and judge the answers.

    The same for a process, a Bento and a container. Ends with 1 when something does not hold.
    """
    import httpx

    from pipelines import smoke as smoke_test
    from pipelines.load_test.questions import LoadTestError, address
    from pipelines.settings import settings
    from pipelines.stack.endpoint_keys import key_header

    asked = url or settings().endpoint
    try:
        address(asked)
    except LoadTestError as error:
        fail(str(error).replace("--url", "URL"), 2)
    if not url and not key:
        key = key_header(settings()).get("authorization", "").removeprefix("Bearer ")
    with httpx.Client(base_url=asked, timeout=SECONDS, trust_env=False) as http:
        found = smoke_test.smoke(http, key, writes=writes)
    if as_json:
        say_json({"url": asked, "checks": [{"check": one.check, "fault": one.fault} for one in found]})
    else:
        for one in found:
            say(f"FAILED  {one.check}: {one.fault}" if one.fault else f"ok      {one.check}")
    if any(one.fault for one in found):
        raise typer.Exit(1)
