"""`shoploop gate`: why a candidate was released or refused."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.actions_releases import failures_in_words
from pipelines.commands.console import current_user, fail, say, say_json

if TYPE_CHECKING:
    from pipelines.releases.ledger import Ledger
    from pipelines.releases.records import RecordedDecision

WIDTH = 110
SPANS = {"m": "minutes", "h": "hours", "d": "days"}
app = typer.Typer(name="gate", help="Why a candidate was released or refused.", no_args_is_help=True)


@app.command("explain")
def explain_decision(
    name: Annotated[str, typer.Argument(metavar="ID", help="Of a decision, a run or a release.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Tell in plain words what was compared and found, and what would have changed it."""
    from pipelines.gates.explain import explain
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    ledger = Ledger(settings().ledger)
    found = _decisions(ledger, name)
    if not found:
        fail(
            f"the ledger has no decision, run or release {name!r}: see `shoploop releases list`, or Airflow's runs",
            2,
        )
    told = [
        (decision, [*_answered(ledger, decision), *explain(json.loads(decision.body))]) for decision in found
    ]
    if as_json:
        say_json([_facts(decision) | {"explanation": lines} for decision, lines in told])
        return
    for decision, lines in told:
        head = f"{decision.kind.capitalize()} decision {decision.decision_id} of run {decision.run_id}"
        say(f"{head}, {decision.created_at:%Y-%m-%d %H:%M} UTC")
        for line in lines:
            say("\n".join(wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")))
        say()


@app.command("override")
def override(
    decision_id: Annotated[str, typer.Argument(help="As `shoploop gate explain` names it.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    expires: Annotated[str, typer.Option(help="After how long: 90m, 24h or 7d; or a moment in UTC.")],
    actor: Annotated[str, typer.Option(help="Who; you, if empty.")] = "",
) -> None:
    """Answer for a candidate that the quality gate refused, for a while."""
    from pipelines.releases.ledger import Ledger
    from pipelines.releases.overrides import override_decision
    from pipelines.settings import settings

    with failures_in_words():
        made = override_decision(
            Ledger(settings().ledger), decision_id, actor or current_user(), reason, _moment(expires)
        )
    say(f"{decision_id} is {made.words(made.created_at)}.")
    say(
        "Clear the task read_decision of its run in Airflow, or run it again with `shoploop run`: it then goes on."
    )


def _moment(text: str) -> datetime:
    """When a span from now ends, or a moment as it is written."""
    if found := re.fullmatch(r"(\d+)([mhd])", text):
        return datetime.now(UTC) + timedelta(**{SPANS[found[2]]: int(found[1])})
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--expires: expected 90m, 24h, 7d or a moment such as 2026-11-30T12:00, found {text!r}", 2)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _answered(ledger: "Ledger", decision: "RecordedDecision") -> "Iterator[str]":
    from pipelines.releases.overrides import words_of

    return (f"It is {words}." for words in words_of(ledger, decision))


def _decisions(ledger: "Ledger", name: str) -> "list[RecordedDecision]":
    if decision := ledger.decision(name):
        return [decision]
    release = ledger.release(name)
    return ledger.decisions(release.run_id if release else name)


def _facts(decision: "RecordedDecision") -> dict[str, object]:
    return asdict(decision) | {"body": json.loads(decision.body)}
