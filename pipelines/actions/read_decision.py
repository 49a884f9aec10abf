"""Read the quality decision, keep it in the ledger, and say how the run goes on."""

from pathlib import Path
from textwrap import wrap
from typing import Any

from pipelines.domain import Verdict
from pipelines.releases.ledger import Ledger
from pipelines.run_facts import RunFacts, read_json, write_result

WIDTH = 120
REFUSED, NOT_PROMOTED, ASK, GO_ON = "refused", "not_promoted", "approve_release", "register_version"


def read_decision(ledger: Ledger, workspace: Path) -> dict[str, Any]:
    """Record ``reports/decision.json`` in the ledger and choose the branch; returns the task's result."""
    facts = RunFacts.read(workspace)
    decision = read_json(workspace / "reports" / "decision.json", "decide_promotion")
    verdict = str(decision["verdict"])
    kept = ledger.record_decision(facts.run_id, "quality", verdict, decision["summary"], decision)
    result = {
        "branch": way_on(facts, verdict),
        "decision_id": kept,
        "verdict": verdict,
        "note": f"{_label(facts)}{decision['summary']}",
        "text": describe(decision),
        "markdown": as_markdown(decision),
    }
    write_result(workspace, "read_decision", result)
    return result


def way_on(facts: RunFacts, verdict: str) -> str:
    """The task that comes next: the closed branch unless every check held."""
    if verdict != Verdict.PASS:
        return REFUSED
    if not facts.promote:
        return NOT_PROMOTED
    return ASK if facts.require_approval else GO_ON


def describe(decision: dict[str, Any]) -> str:
    """The whole decision for a person, in lines that a task's log shows whole."""
    lines = wrap(f"Quality decision: {decision['summary']}", WIDTH)
    for check in decision["checks"]:
        lines += ["", f"  {check['verdict']}  {check['name']}"]
        lines += wrap(check["message"], WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return "\n".join(lines)


def as_markdown(decision: dict[str, Any]) -> str:
    """The same for Airflow's page of required actions, which runs the lines of a plain text together."""
    checks = [f"- **{check['verdict']}** {check['name']}: {check['message']}" for check in decision["checks"]]
    return "\n".join([f"**Quality decision: {decision['summary']}**", "", *checks])


def _label(facts: RunFacts) -> str:
    dirty = f" [dirty: {facts.uncommitted}]" if facts.dirty else ""
    return f"week {facts.week}{dirty}: "
