"""`shoploop bench`: put a running endpoint under load."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.console import fail, say, say_json, whisper

app = typer.Typer(name="bench", help="Put a running endpoint under load.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Put a running endpoint under load."""


@app.command()
def serve(
    rate: Annotated[float, typer.Option(min=0.01, help="Requests a second, sent when they are due.")] = 100.0,
    seconds: Annotated[float, typer.Option(min=0.01, help="How long.")] = 60.0,
    scenario: Annotated[
        str,
        typer.Option(help="recommendations, similar-items, complements, new-arrivals, rank or search."),
    ] = "recommendations",
    url: Annotated[str, typer.Option(help="http://HOST:PORT; this installation's endpoint without.")] = "",
    in_flight: Annotated[
        int, typer.Option(min=0, max=400, help="As fast as answers come, with so many under way; no rate.")
    ] = 0,
    plot: Annotated[Path | None, typer.Option(help="A picture of the latencies, PNG or SVG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Ask at a fixed rate, whatever comes back; a request's time counts from when it was due.

    Ends with 1 when a request got no good answer.
    """
    from pipelines.load_test.driver import Plan, drive
    from pipelines.load_test.findings import draw, findings, in_words
    from pipelines.load_test.questions import LoadTestError, address, known_users, requests
    from pipelines.settings import settings
    from pipelines.stack.endpoint_keys import key_header

    try:
        host, port = address(url or settings().endpoint)
        headers = {} if url else key_header(settings())
        asked = requests(scenario, host, port, known_users(settings().state_file), headers)
    except LoadTestError as error:
        fail(str(error), 2)
    pace = f"{in_flight} at a time" if in_flight else f"{rate:g} a second"
    whisper(f"{scenario} from {host}:{port}, {pace}, for {seconds:g} s")
    seen = drive(Plan(host, port, asked, seconds, 0.0 if in_flight else rate, in_flight))
    found = findings(seen)
    if plot is not None:
        draw({scenario: seen}, plot, f"{scenario}, {pace}")
    if as_json:
        say_json({"scenario": scenario, "url": f"http://{host}:{port}", "asked": pace, **found})
    else:
        say(in_words(found))
    if seen.errors:
        raise typer.Exit(1)
