"""Read the quality decision, keep it in the ledger, and say how the run goes on."""

from pathlib import Path
from textwrap import wrap
from typing import Any

from pipelines.domain import Verdict
from pipelines.releases.ledger import Ledger
from pipelines.releases.overrides import lapsed_words, standing_override
from pipelines.releases.records import utc_now
from pipelines.run_facts import RunFacts, read_json, write_result

WIDTH = 120
REFUSED, NOT_PROMOTED, ASK, GO_ON = "refused", "not_promoted", "approve_release", "register_version"


def read_decision(ledger: Ledger, workspace: Path) -> dict[str, Any]:
    """Record ``reports/decision.json`` in the ledger and choose the branch; returns the task's result."""
    facts = RunFacts.read(workspace)
    decision = read_json(workspace / "reports" / "decision.json", "decide_promotion")
    verdict = str(decision["verdict"])
    kept = ledger.record_decision(facts.run_id, "quality", verdict, decision["summary"], decision)
    override = standing_override(ledger, kept) if verdict != Verdict.PASS else None
    words = override.words(utc_now()) if override else lapsed_words(ledger, kept)
    answered = f"{words}; " if words else ""
    result = {
        "branch": way_on(facts, verdict, override is not None),
        "decision_id": kept,
        "verdict": verdict,
        "override_id": override.override_id if override else None,
        "note": f"{_label(facts)}{answered}{decision['summary']}",
        "text": f"{describe(decision)}\n{answered}".rstrip(),
        "markdown": f"{answered}{as_markdown(decision)}",
    }
    write_result(workspace, "read_decision", result)
    return result


def way_on(facts: RunFacts, verdict: str, is_overridden: bool = False) -> str:
    """The task that comes next: the closed branch unless every check held or somebody answers for it."""
    if verdict != Verdict.PASS and not is_overridden:
        return REFUSED
    if not facts.promote:
        return NOT_PROMOTED
    return ASK if facts.require_approval else GO_ON


def describe(decision: dict[str, Any]) -> str:
    """The whole decision for a person, in lines that a task's log shows whole; Airflow shows the end of a log first."""
    lines = []
    for check in decision["checks"]:
        lines += [f"  {check['verdict']}  {check['name']}"]
        lines += [*wrap(check["message"], WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8), ""]
    return "\n".join([*lines, *wrap(f"Quality decision: {decision['summary']}", WIDTH)])


def as_markdown(decision: dict[str, Any]) -> str:
    """The same for Airflow's page of required actions, which runs the lines of a plain text together."""
    checks = [f"- **{check['verdict']}** {check['name']}: {check['message']}" for check in decision["checks"]]
    return "\n".join([f"**Quality decision: {decision['summary']}**", "", *checks])


def _label(facts: RunFacts) -> str:
    dirty = f" [dirty: {facts.uncommitted}]" if facts.dirty else ""
    return f"week {facts.week}{dirty}: "
