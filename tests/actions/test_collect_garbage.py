"""What is removed and what stays: real workspaces with DVC, a real ledger, a real Bento store."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from pipelines.actions.collect_garbage import Rubbish, collect_garbage
from pipelines.params import CollectGarbage
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release, utc_now
from pipelines.run_facts import read_result
from pipelines.settings import Settings
from pipelines.workspace import open_workspace, stage_environment, workspace_path
from tests.actions.conftest import CHECKOUT, act, make_workspace
from tests.workspace.test_snapshot import git

POLICY = CollectGarbage(releases_kept=2, days_kept=14)
AT_ONCE = CollectGarbage(releases_kept=2, days_kept=0)
DVC_YAML = """
stages:
  copy_rows:
    cmd: cp rows.txt copied.txt
    deps: [rows.txt]
    outs: [copied.txt]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "params.yaml").write_text("{}\n")
    (checkout / "dvc.yaml").write_text(DVC_YAML)
    git(checkout, "init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=checkout, check=True)
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "start")
    return Settings(checkout=checkout, home=tmp_path / "home")


@pytest.fixture
def ledger(shop: Settings) -> Ledger:
    return Ledger(shop.ledger)


def ran(shop: Settings, run_id: str, rows: str, days_ago: float) -> Path:
    """The workspace of a run that wrote ``rows`` to the shared cache some days ago."""
    path = open_workspace(shop, run_id).path
    (path / "rows.txt").write_text(rows)
    command = [sys.executable, "-m", "dvc", "repro", "--quiet"]
    subprocess.run(command, cwd=path, env=stage_environment(shop, path), check=True)
    then = time.time() - days_ago * 86_400
    for file in [path, *path.rglob("*")]:
        os.utime(file, (then, then), follow_symlinks=False)
    return path


def released(ledger: Ledger, run_id: str, week: int, tag: str = "") -> str:
    """Make a release of a run live; returns its id."""
    live = ledger.live()
    made = Release(
        release_id=f"r-{week}-{run_id}", created_at=utc_now() - timedelta(days=100 - week), run_id=run_id,
        decision_id="d-1", bento_tag=tag or f"shoploop:{run_id}", bento_path="", bundle_sha256=run_id, model_version="",
        week=week, tree_id="", dirty=False, dvc_lock_sha256="", params_sha256="", lock_sha256="",
    )  # fmt: skip
    ledger.add_release(made)
    before = live.release_id if live else None
    ledger.move(made.release_id, before, "release", "a test", "it passed", "d-1")
    return made.release_id


def cached(shop: Settings) -> set[str]:
    return {file.read_text() for file in (shop.dvc_cache / "files").rglob("*") if file.is_file()}


def names(found: list[Rubbish]) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in found]


def test_gc__removes_an_old_run_and_what_only_it_cached(shop: Settings, ledger: Ledger) -> None:
    old, young = ran(shop, "old", "of the old one", 15), ran(shop, "young", "of the young one", 13)

    found = collect_garbage(shop, POLICY, ledger, None)

    assert names(found) == [("workspace", "old"), ("cache", str(shop.dvc_cache))]
    assert not old.exists()
    assert (young / "copied.txt").read_text() == "of the young one"
    assert cached(shop) == {"of the young one"}
    assert collect_garbage(shop, POLICY, ledger, None) == []


def test_gc__keeps_the_newest_releases_and_after_a_rollback_what_is_live(
    shop: Settings, ledger: Ledger
) -> None:
    for week, run_id in enumerate(("first", "second", "third", "fourth", "fifth"), start=44):
        ran(shop, run_id, run_id, 30)
        released(ledger, run_id, week)
    ledger.move("r-45-second", "r-48-fifth", "rollback", "a test", "the others were bad")

    found = collect_garbage(shop, POLICY, ledger, None)

    # The newest two, what is live, and what a rollback would go to.
    assert names(found)[:-1] == [("workspace", "third")]
    assert cached(shop) == {"first", "second", "fourth", "fifth"}
    assert len(ledger.releases()) == 5


def test_gc__leaves_what_a_process_works_in_and_then_the_whole_cache(shop: Settings, ledger: Ledger) -> None:
    busy, idle = ran(shop, "busy", "of the busy one", 30), ran(shop, "idle", "of the idle one", 30)
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=busy, stdin=subprocess.PIPE) as process:
        found = collect_garbage(shop, POLICY, ledger, None)
        process.communicate(b"\n")

    assert names(found) == [("workspace", "idle")]
    assert busy.exists()
    assert not idle.exists()
    assert cached(shop) == {"of the busy one", "of the idle one"}


def test_gc__that_is_dry_removes_nothing(shop: Settings, ledger: Ledger) -> None:
    old = ran(shop, "old", "of the old one", 15)

    assert names(collect_garbage(shop, POLICY, ledger, None, dry=True)) == [("workspace", "old")]
    assert old.exists()
    assert cached(shop) == {"of the old one"}


def test_gc__keeps_a_release_that_is_being_prepared(shop: Settings, ledger: Ledger) -> None:
    for week, run_id in enumerate(("asked", "b", "c", "d"), start=44):
        ran(shop, run_id, run_id, 30)
        released(ledger, run_id, week)
    ledger.request_preparation("r-44-asked")

    collect_garbage(shop, POLICY, ledger, None)

    assert workspace_path(shop, "asked").exists()
    assert not workspace_path(shop, "b").exists()


def test_gc_command__removes_bentos_of_no_kept_release(tmp_path: Path) -> None:
    shop = Settings(home=tmp_path / "home", checkout=tmp_path / "checkout")
    built = {}
    for name in ("kept", "rubbish"):
        workspace = make_workspace(tmp_path / name)
        if name == "rubbish":
            facts = json.loads((workspace / "run/run.json").read_text())
            (workspace / "run/run.json").write_text(json.dumps(facts | {"week": 43}))
        done = act(shop, "build_bento", workspace)
        assert done.returncode == 0, done.stderr
        built[name] = read_result(workspace, "build_bento")
    released(Ledger(shop.ledger), "kept", 44, built["kept"]["bento_tag"])
    shop.checkout.mkdir()
    params = yaml.safe_load((CHECKOUT / "params.yaml").read_text())
    policy = params | {"collect_garbage": AT_ONCE.model_dump()}
    (shop.checkout / "params.yaml").write_text(yaml.safe_dump(policy))

    environment = os.environ | {"SHOPLOOP_HOME": str(shop.home), "SHOPLOOP_CHECKOUT": str(shop.checkout)}
    command = [sys.executable, "-m", "pipelines.cli", "gc", "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(one["kind"], one["name"]) for one in told["removed"]] == [
        ("bento", built["rubbish"]["bento_tag"])
    ]
    assert "MLflow does not answer" in done.stderr
    assert Path(built["kept"]["bento_path"]).is_dir()
    assert not Path(built["rubbish"]["bento_path"]).exists()
