"""Make the registry's alias agree with the ledger, which alone says what is live."""

from pathlib import Path

from pipelines.registry import Registry
from pipelines.releases.ledger import Ledger
from pipelines.run_facts import write_result


def mark_champion(registry: Registry, ledger: Ledger, workspace: Path | None = None) -> str:
    """Project the ledger's live release onto the alias ``champion``; also repairs one that disagrees.

    Returns:
        A sentence that says what was done.
    """
    live = ledger.live()
    version = (live.model_version or None) if live else None
    changed = registry.mark_champion(version)
    verb, named = "now names" if changed else "names", f"version {version}" if version else "nothing"
    if workspace is not None:
        write_result(workspace, "mark_champion", {"model_version": version, "changed": changed})
    return f"the alias champion {verb} {named}"
