"""Record how a run ended, so that equal inputs are recognised the next time."""

from pathlib import Path

from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Run, utc_now
from pipelines.run_facts import RunFacts, read_result, write_result

OUTCOMES = {
    "finished": "promoted",
    "refused": "refused",
    "refused_approval": "refused",
    "refused_package": "refused",
    "not_promoted": "not_promoted",
}
"""What the ledger says for each task that ends a run."""


def finish_run(ledger: Ledger, workspace: Path, task: str) -> str:
    """Record the outcome that ``task`` stands for; returns a sentence for the run's note."""
    facts = RunFacts.read(workspace)
    decision = read_result(workspace, "read_decision")
    outcome = OUTCOMES[task]
    run = (facts.run_id, facts.fingerprint, facts.tree_id, facts.dirty, facts.week, outcome)
    ledger.record_run(Run(*run, decision_id=decision["decision_id"], finished_at=utc_now()))
    words = f"{outcome}: {_why(workspace, task, decision)}"
    write_result(workspace, task, {"outcome": outcome, "note": words})
    return words


def _why(workspace: Path, task: str, decision: dict[str, str]) -> str:
    if task == "refused_package":
        return str(read_result(workspace, "decide_package").get("summary", "the package decision failed"))
    if task == "refused_approval":
        return f"nobody approved it in time, or a person rejected it; {decision['note']}"
    return decision["note"]
