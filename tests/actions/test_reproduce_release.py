"""A release built once more from an empty cache: equal where its stages are pure, named where they are not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.actions.open_run import inputs_sha256, lock_sha256_of
from pipelines.actions.reproduce_release import Reproduction, reproduce_release
from pipelines.params import params_sha256
from pipelines.ranking.bundle import bundle_sha256
from pipelines.releases.bento_build import content_version, stage_sources
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LedgerError, Release, utc_now
from pipelines.run_facts import RunFacts
from pipelines.settings import Settings
from pipelines.workspace import WorkspaceError, open_workspace, stage_environment
from tests.actions.conftest import CHECKOUT
from tests.serving.tiny_bundle import write_tiny_bundle
from tests.workspace.test_snapshot import git

DVC_YAML = """
stages:
  train:
    cmd: python make.py
    deps: [data/inputs, make.py]
    outs: [models/candidate]
    metrics: [reports/metrics.json]
"""
MAKE = """
import json, pathlib, shutil
shutil.copytree("data/inputs/bundle", "models/candidate")
pathlib.Path("reports").mkdir(exist_ok=True)
luck = pathlib.Path({luck!r})
figure = 0.3 + (len(list(luck.iterdir())) if luck.is_dir() else 0)
pathlib.Path("reports/metrics.json").write_text(json.dumps({{"candidate": {{"ndcg_at_10": figure}}}}))
"""


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    return small_shop(tmp_path, DVC_YAML, {"params.yaml": "a: 1\n"})


def small_shop(tmp_path: Path, dvc_yaml: str, files: dict[str, str]) -> Settings:
    """A checkout whose stages are a few lines each."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    files = files | {"dvc.yaml": dvc_yaml, "make.py": MAKE.format(luck=str(tmp_path / "luck"))}
    for name, content in files.items():
        (checkout / name).write_text(content)
    (checkout / ".gitignore").write_text("/data/\n/models/\n/reports/\n/run/\n")
    for name in ("serving", "pipelines", "requirements"):
        (checkout / name).symlink_to(CHECKOUT / name)
    git(checkout, "init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=checkout, check=True)
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "start")
    return Settings(checkout=checkout, home=tmp_path / "home")


@pytest.fixture
def ledger(shop: Settings) -> Ledger:
    return Ledger(shop.ledger)


def released(shop: Settings, ledger: Ledger, tmp_path: Path) -> tuple[str, Path]:
    """A run whose stage made a bundle, and the release of it."""
    opened = open_workspace(shop, "run-1")
    path = opened.path
    write_tiny_bundle(path / "data/inputs/bundle")
    command = [sys.executable, "-m", "dvc", "repro", "--quiet"]
    subprocess.run(command, cwd=path, env=stage_environment(shop, path), check=True)
    stage_sources(path, path / "models/candidate", tmp_path / "src")
    content = content_version(tmp_path / "src")
    release = Release(
        release_id="r-44-a", created_at=utc_now(), run_id="run-1", decision_id="d-1",
        bento_tag=f"shoploop_recommender:r-44-{content}", bento_path="",
        bundle_sha256=bundle_sha256(path / "models/candidate"), model_version="", week=44,
        tree_id=opened.snapshot.tree_id, dirty=False, dvc_lock_sha256="",
        params_sha256=params_sha256(path / "params.yaml"), lock_sha256=lock_sha256_of(path),
    )  # fmt: skip
    ledger.add_release(release)
    facts = RunFacts(
        "run-1", 44, release.tree_id, False, (), "f", inputs_sha256(path), release.params_sha256, release.lock_sha256,
        {}, True, False, "", None,
    )  # fmt: skip
    facts.write(path)
    return release.release_id, path


def differing(done: Reproduction) -> list[str]:
    return [one.what for one in done.comparisons if not one.is_same]


def test_reproduce__of_pure_stages_is_the_same_in_every_hash(
    shop: Settings, ledger: Ledger, tmp_path: Path
) -> None:
    release, _ = released(shop, ledger, tmp_path)
    shutil.rmtree(shop.dvc_cache)  # nothing comes from the runs' cache
    said: list[str] = []

    done = reproduce_release(shop, ledger, release, said.append)

    assert differing(done) == []
    assert [one.what for one in done.comparisons] == [
        "code", "parameters", "environment lock", "data", "models/candidate", "reports/metrics.json", "bundle",
        "NDCG@10 of the candidate", "Bento",
    ]  # fmt: skip
    assert any("Running stage 'train'" in line for line in said)
    assert done.workspace is None
    assert not (shop.workspaces / "reproduce-r-44-a").exists()


def test_reproduce__names_what_a_stage_that_is_not_pure_made_otherwise(
    shop: Settings, ledger: Ledger, tmp_path: Path
) -> None:
    release, _ = released(shop, ledger, tmp_path)
    (tmp_path / "luck" / "bad").mkdir(parents=True)

    done = reproduce_release(shop, ledger, release, lambda _: None)

    assert differing(done) == ["reports/metrics.json", "NDCG@10 of the candidate"]
    assert done.workspace is not None
    assert (done.workspace / "reports/metrics.json").is_file()


def test_reproduce__names_recorded_inputs_that_were_changed_since(
    shop: Settings, ledger: Ledger, tmp_path: Path
) -> None:
    release, origin = released(shop, ledger, tmp_path)
    (origin / "params.yaml").write_text("a: 2\n")
    (origin / "data/inputs/more.txt").write_text("slipped in")

    done = reproduce_release(shop, ledger, release, lambda _: None)

    assert differing(done) == ["code", "parameters", "data"]


def test_reproduce__says_what_is_missing(shop: Settings, ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no release 'r-1'"):
        reproduce_release(shop, ledger, "r-1", lambda _: None)
    release, origin = released(shop, ledger, tmp_path)
    (origin / "make.py").write_text("raise SystemExit('the shelf is empty')")
    said: list[str] = []
    with pytest.raises(WorkspaceError, match="`dvc repro` ended with"):
        reproduce_release(shop, ledger, release, said.append)
    assert any("the shelf is empty" in line for line in said)
    shutil.rmtree(origin)
    with pytest.raises(WorkspaceError, match=r"run-1: the workspace of r-44-a is gone"):
        reproduce_release(shop, ledger, release, lambda _: None)


def test_command__ends_with_1_where_something_differs(shop: Settings, ledger: Ledger, tmp_path: Path) -> None:
    release, _ = released(shop, ledger, tmp_path)
    (tmp_path / "luck" / "bad").mkdir(parents=True)
    command = [sys.executable, "-m", "pipelines.cli", "releases", "reproduce", release]
    environment = os.environ | {"SHOPLOOP_HOME": str(shop.home)}

    plain = subprocess.run(command, env=environment, capture_output=True, text=True)
    parsed = subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True)

    assert plain.returncode == parsed.returncode == 1, plain.stderr
    assert "NDCG@10 of the candidate  DIFFERS: recorded 0.3, rebuilt 1.3" in plain.stdout
    assert "r-44-a: 7 of 9 are the same" in plain.stdout
    assert json.loads(parsed.stdout)["is_same"] is False
