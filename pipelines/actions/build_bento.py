"""Build the Bento of a run from the very bundle that was judged."""

from pathlib import Path
from typing import Any

from pipelines.domain import BundleError
from pipelines.ranking.bundle import bundle_sha256, read_manifest
from pipelines.releases.bento_build import build
from pipelines.releases.records import release_id_of
from pipelines.run_facts import RunFacts, write_result
from pipelines.settings import Settings

BUNDLE = Path("models/candidate")


def build_bento(settings: Settings, workspace: Path) -> dict[str, Any]:
    """Build it, or find it built; writes ``run/build_bento.json``.

    Raises:
        BundleError: The bundle is not the one that was made: a file differs from its hash.
        BentoBuildError: BentoML refuses.
    """
    facts = RunFacts.read(workspace)
    bundle = workspace / BUNDLE
    read_manifest(bundle)
    digest = bundle_sha256(bundle)
    labels = _labels(facts, digest)
    content, tag, path = build(workspace, bundle, facts.week, labels, settings.bentoml_home)
    if bundle_sha256(path / "src" / "bundle") != digest:
        raise BundleError(
            f"{path}: holds another bundle than {bundle}; delete it with `bentoml delete {tag}`"
        )
    result = {"release_id": release_id_of(facts.week, content), "bento_tag": tag}
    result |= {"bento_path": str(path), "bundle_sha256": digest}
    write_result(workspace, "build_bento", result)
    return result


def _labels(facts: RunFacts, digest: str) -> dict[str, str]:
    # Kubernetes' rules for labels: no slashes or spaces; the rest of the run's facts are in the ledger.
    return {
        "week": str(facts.week),
        "tree_id": facts.tree_id,
        "dirty": str(facts.dirty).lower(),
        "fingerprint": facts.fingerprint[:40],
        "bundle_sha256": digest[:40],
    }
