"""`shoploop gate`: why a candidate was released or refused."""

import json
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.console import fail, say, say_json

if TYPE_CHECKING:
    from pipelines.releases.ledger import Ledger
    from pipelines.releases.records import RecordedDecision

WIDTH = 110
app = typer.Typer(name="gate", help="Why a candidate was released or refused.", no_args_is_help=True)


@app.callback()
def _gate() -> None:
    """Keep the name of the command while there is only one."""


@app.command("explain")
def explain_decision(
    name: Annotated[str, typer.Argument(metavar="ID", help="Of a decision, a run or a release.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Tell in plain words what was compared and found, and what would have changed it."""
    from pipelines.gates.explain import explain
    from pipelines.releases.ledger import Ledger
    from pipelines.settings import settings

    found = _decisions(Ledger(settings().ledger), name)
    if not found:
        fail(
            f"the ledger has no decision, run or release {name!r}: see `shoploop releases list`, or Airflow's runs",
            2,
        )
    told = [(decision, explain(json.loads(decision.body))) for decision in found]
    if as_json:
        say_json([_facts(decision) | {"explanation": lines} for decision, lines in told])
        return
    for decision, lines in told:
        head = f"{decision.kind.capitalize()} decision {decision.decision_id} of run {decision.run_id}"
        say(f"{head}, {decision.created_at:%Y-%m-%d %H:%M} UTC")
        for line in lines:
            say("\n".join(wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")))
        say()


def _decisions(ledger: "Ledger", name: str) -> "list[RecordedDecision]":
    if decision := ledger.decision(name):
        return [decision]
    release = ledger.release(name)
    return ledger.decisions(release.run_id if release else name)


def _facts(decision: "RecordedDecision") -> dict[str, object]:
    return asdict(decision) | {"body": json.loads(decision.body)}
