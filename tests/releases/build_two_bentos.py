"""Build two real Bentos of a tiny bundle: ``python build_two_bentos.py CHECKOUT HOME`` prints their facts."""

import json
import sys
from pathlib import Path

checkout, home = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(checkout))

from pipelines.ranking.bundle import read_manifest, seal  # noqa: E402
from pipelines.releases.bento_build import build  # noqa: E402
from tests.serving.tiny_bundle import write_tiny_bundle  # noqa: E402


def build_one(week):
    bundle = home / f"bundle-{week}"
    write_tiny_bundle(bundle)
    digest = seal(bundle, read_manifest(bundle) | {"week": week})
    _, tag, path = build(checkout, bundle, week, {}, home / "bentoml")
    return {"week": week, "bundle_sha256": digest, "bento_tag": tag, "bento_path": str(path)}


print(json.dumps([build_one(44), build_one(45)]))
