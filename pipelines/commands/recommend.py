"""`shoploop recommend`: ask the endpoint."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.commands.console import fail, say, say_json, whisper


class EndpointError(Exception):
    """The endpoint does not answer as it should; the message says what to do."""


def recommend(
    user_id: Annotated[str, typer.Argument(metavar="USER", help="A household, for example 1.")] = "",
    k: Annotated[int, typer.Option("-k", help="How many products.", min=1, max=100)] = 10,
    everybody: Annotated[
        bool, typer.Option("--all", help="For every shopper who is known, into a file.")
    ] = False,
    out: Annotated[Path, typer.Option(help="The Parquet file of --all.")] = Path("recommendations.parquet"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the endpoint's answer as it is.")] = False,
) -> None:
    """Ask the endpoint what a household may like.

    Each product comes with its reason.
    """
    if everybody == bool(user_id):
        fail("expected one of USER and --all", 2)
    if everybody:
        _ask_for_all(out, k)
        return
    try:
        answer = ask(user_id, k)
    except EndpointError as error:
        fail(str(error))
    if as_json:
        say_json(answer)
    else:
        say(in_words(user_id, answer))


def _ask_for_all(out: Path, k: int) -> None:
    from pipelines.actions.recommend_all import CampaignError, recommend_all
    from pipelines.settings import settings
    from pipelines.stack.endpoint_keys import key_header
    from pipelines.tables import StorageError

    try:
        say(recommend_all(settings(), out, k, whisper, key_header(settings())).message)
    except (CampaignError, StorageError) as error:
        fail(str(error))


def ask(user_id: str, k: int) -> dict[str, Any]:
    """The endpoint's answer.

    Raises:
        EndpointError: No answer, or an error instead of recommendations.
    """
    import httpx

    from pipelines.settings import settings
    from pipelines.stack.endpoint_keys import key_header
    from serving.tls import TlsError

    url, body = f"{settings().endpoint}/v1/recommendations", {"user_id": user_id, "k": k}
    try:
        answer = httpx.post(
            url,
            json=body,
            headers=key_header(settings()),
            timeout=30,
            trust_env=False,
            verify=settings().endpoint_trust,
        )
    except (httpx.HTTPError, TlsError) as error:
        raise EndpointError(
            f"The endpoint does not answer at {url} ({error}); run `shoploop status`, then `shoploop up`"
        ) from error
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise EndpointError(
            f"The endpoint has no release to answer from ({_message(answer)}); `shoploop run` makes one"
        )
    if answer.is_error:
        raise EndpointError(f"The endpoint refused the request: {answer.status_code} {_message(answer)}")
    found: dict[str, Any] = answer.json()
    return found


def in_words(user_id: str, answer: dict[str, Any]) -> str:
    """An answer as a table for a person."""
    head = f"For household {user_id}, release {answer['release']}, answered by {answer['source']}:"
    rows = [
        f"  {place:>2}. {_cut(item['title'], 58):<58} {item['reason']}"
        for place, item in enumerate(answer["items"], start=1)
    ]
    return "\n".join([head, *rows])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _message(answer: Any) -> str:
    try:
        body = answer.json()
        return str(body.get("message") or body.get("error") or body)
    except (ValueError, AttributeError):
        return str(answer.text[:300])
