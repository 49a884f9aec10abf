"""Record how a run ended, so that equal inputs are recognised the next time."""

from pathlib import Path

from pipelines.registry import Registry
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Run, utc_now
from pipelines.run_facts import RunFacts, read_result, write_result
from pipelines.settings import settings
from pipelines.workspace import RUN_FOLDER

OUTCOMES = {
    "finished": "promoted",
    "refused": "refused",
    "refused_approval": "refused_approval",
    "refused_package": "refused_package",
    "not_promoted": "not_promoted",
}
"""What the ledger says for each task that ends a run; only the gate's own refusal is a verdict on the model."""


def finish_run(ledger: Ledger, workspace: Path, task: str) -> str:
    """Record the outcome that ``task`` stands for, in the ledger and, if it answers, in MLflow.

    Returns:
        A sentence for the run's note.
    """
    facts = RunFacts.read(workspace)
    decision = read_result(workspace, "read_decision")
    outcome = OUTCOMES[task]
    run = (facts.run_id, facts.fingerprint, facts.tree_id, facts.dirty, facts.week, outcome)
    ledger.record_run(Run(*run, decision_id=decision["decision_id"], finished_at=utc_now()))
    words = f"{outcome}: {_why(workspace, task, decision)}{_tell_mlflow(workspace, outcome)}"
    write_result(workspace, task, {"outcome": outcome, "note": words})
    return words


def _why(workspace: Path, task: str, decision: dict[str, str]) -> str:
    if task == "refused_package":
        return str(read_result(workspace, "decide_package").get("summary", "the package decision failed"))
    if task == "refused_approval":
        return f"nobody approved it in time, or a person rejected it; {decision['note']}"
    return decision["note"]


def _tell_mlflow(workspace: Path, outcome: str) -> str:
    """Add to the logged run what came after it was logged; returns what there is to say of that."""
    logged, package = (workspace / RUN_FOLDER / f"{name}.json" for name in ("log_run", "decide_package"))
    if not logged.is_file():
        return ""
    run = read_result(workspace, "log_run")["mlflow_run_id"]
    try:
        registry = Registry(settings().mlflow, patient=False)
        registry.tag(run, {"outcome": outcome})
        if package.is_file():
            registry.attach(run, package, "reports")
    except Exception as error:  # whatever ails MLflow: the run has ended, and the ledger knows how
        return f" (not in MLflow: {str(error)[:200]})"
    return ""
