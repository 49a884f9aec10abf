"""Building a real Bento of the tiny bundle."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from pipelines.ranking.bundle import bundle_sha256
from pipelines.releases.bento_build import BentoBuildError, content_version, inference_modules, stage_sources
from pipelines.run_facts import read_result
from pipelines.settings import Settings
from tests.actions.conftest import CHECKOUT, act, make_workspace
from tests.serving.tiny_bundle import write_tiny_bundle


def test_build_bento__ships_the_judged_bundle_byte_for_byte(built: Path) -> None:
    result = read_result(built, "build_bento")
    shipped = Path(result["bento_path"]) / "src" / "bundle"
    judged = built / "models" / "candidate"
    assert result["bundle_sha256"] == bundle_sha256(judged) == bundle_sha256(shipped)
    for file in judged.iterdir():
        assert (shipped / file.name).read_bytes() == file.read_bytes()


def test_build_bento__holds_serving_and_the_inference_half_only(built: Path) -> None:
    source = Path(read_result(built, "build_bento")["bento_path"]) / "src"
    shipped = {str(file.relative_to(source)) for file in (source / "pipelines").rglob("*.py")}
    assert shipped == {str(module) for module in inference_modules(CHECKOUT)}
    assert "pipelines/ranking/blended.py" in shipped
    assert not {"pipelines/settings.py", "pipelines/registry.py", "pipelines/cli.py"} & shipped


def test_build_bento__requirements_are_the_hashed_serving_lock(built: Path) -> None:
    bento = Path(read_result(built, "build_bento")["bento_path"])
    required = (bento / "env" / "python" / "requirements.txt").read_text()
    names = {match.lower() for match in re.findall(r"^([A-Za-z0-9_.-]+)==", required, re.MULTILINE)}
    assert {"bentoml", "granian", "msgspec", "numpy"} <= names
    assert not {"tensorflow", "tensorflow-cpu", "apache-airflow", "dvc", "mlflow", "duckdb", "keras"} & names
    assert required.count("--hash=sha256:") > len(names)


def test_build_bento__image_serves_the_data_plane_on_3000(built: Path) -> None:
    bento = Path(read_result(built, "build_bento")["bento_path"])
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert "EXPOSE 3000" in dockerfile
    assert "ARG SHOPLOOP_DATA_PORT=3000" in dockerfile
    assert "ARG SHOPLOOP_DATA_HOST=0.0.0.0" in dockerfile
    assert "ARG BENTOML_PORT=3001" in dockerfile
    assert "build-essential" not in dockerfile


def test_build_bento__labels_carry_the_run(built: Path) -> None:
    bento = Path(read_result(built, "build_bento")["bento_path"])
    labels = yaml.safe_load((bento / "bento.yaml").read_text())["labels"]
    assert (labels["week"], labels["tree_id"], labels["dirty"]) == ("44", "a" * 40, "true")


def test_build_bento__again_finds_the_same_bento(here: Settings, built: Path, tmp_path: Path) -> None:
    again = make_workspace(tmp_path / "again")
    assert act(here, "build_bento", again).returncode == 0
    assert read_result(again, "build_bento") == read_result(built, "build_bento")


def test_build_bento__names_the_release_after_all_that_the_bento_holds(built: Path, tmp_path: Path) -> None:
    result = read_result(built, "build_bento")
    stage_sources(CHECKOUT, built / "models" / "candidate", tmp_path)
    held = content_version(tmp_path)
    assert result["release_id"] == f"r-44-{held[:8]}"
    assert result["bento_tag"] == f"shoploop:r-44-{held}"


@pytest.mark.parametrize("changed", ["serving/plane.py", "requirements/serving.txt"])
def test_build_bento__other_code_around_the_same_bundle_is_another_release(
    changed: str, here: Settings, built: Path, tmp_path: Path
) -> None:
    workspace = make_workspace(tmp_path / "other")
    part = workspace / Path(changed).parts[0]
    part.unlink()
    shutil.copytree(CHECKOUT / part.name, part)
    with (workspace / changed).open("a") as file:
        file.write("# another line\n")

    assert act(here, "build_bento", workspace).returncode == 0

    before, after = (read_result(run, "build_bento") for run in (built, workspace))
    assert after["bundle_sha256"] == before["bundle_sha256"]
    for name in ("release_id", "bento_tag", "bento_path"):
        assert after[name] != before[name]


def test_build_bento__damaged_bundle_is_refused_by_name(here: Settings, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "damaged")
    (workspace / "models" / "candidate" / "items.json").write_text("{}")
    done = act(here, "build_bento", workspace)
    assert done.returncode == 2
    assert "items.json" in done.stderr
    assert not (workspace / "run" / "build_bento.json").exists()


def test_stage_sources__runs_the_code_that_the_bundle_carries(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    write_tiny_bundle(bundle)
    own = bundle / "code" / "pipelines" / "ranking" / "blended.py"
    own.parent.mkdir(parents=True)
    own.write_text("# as judged\n")
    stage_sources(CHECKOUT, bundle, tmp_path / "out")
    assert (tmp_path / "out" / "pipelines" / "ranking" / "blended.py").read_text() == "# as judged\n"


def test_stage_sources__missing_lock_is_named(tmp_path: Path) -> None:
    (tmp_path / "serving").mkdir()
    with pytest.raises(BentoBuildError, match=r"requirements/serving\.txt"):
        stage_sources(tmp_path, tmp_path, tmp_path / "out")


def test_inference_modules__follows_imports_and_nothing_else(tmp_path: Path) -> None:
    files = {
        "serving/app.py": "from pipelines.a import thing\nimport json\n",
        "pipelines/__init__.py": "",
        "pipelines/a.py": "def thing():\n    from pipelines.deep import inner\n",
        "pipelines/deep/__init__.py": "",
        "pipelines/deep/inner.py": "import pipelines.a\n",
        "pipelines/unused.py": "import tensorflow\n",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    found = [str(module) for module in inference_modules(tmp_path)]
    assert found == [
        "pipelines/__init__.py", "pipelines/a.py", "pipelines/deep/__init__.py", "pipelines/deep/inner.py"
    ]  # fmt: skip
    (tmp_path / "pipelines" / "a.py").write_text("from pipelines.gone.away import x\n")
    with pytest.raises(BentoBuildError, match="gone"):
        inference_modules(tmp_path)


def test_result__is_plain_json(built: Path) -> None:
    assert set(json.loads((built / "run" / "build_bento.json").read_text())) == {
        "release_id", "bento_tag", "bento_path", "bundle_sha256"
    }  # fmt: skip
