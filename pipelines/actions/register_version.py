"""Register the judged bundle as a model version; the alias waits until the release is live."""

from pathlib import Path

from pipelines.ranking.bundle import bundle_sha256
from pipelines.registry import Registry
from pipelines.run_facts import RunFacts, read_result, write_result

BUNDLE = Path("models/candidate")


def register_version(registry: Registry, workspace: Path) -> str:
    """Register ``models/candidate`` byte for byte; returns the version."""
    facts = RunFacts.read(workspace)
    decision = read_result(workspace, "read_decision")
    digest = bundle_sha256(workspace / BUNDLE)
    run = registry.open_run(facts.run_id)
    version = registry.register(run, workspace / BUNDLE, digest, str(decision["note"]))
    write_result(workspace, "register_version", {"model_version": version, "bundle_sha256": digest})
    return version
