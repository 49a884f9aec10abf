"""What stands in the way of Spark is told with its remedy."""

import sys
from pathlib import Path

import pytest

from pipelines.features.spark_session import SparkPlace, open_session, require_java
from pipelines.features.views import FeatureError


def java_that_says(folder: Path, version: str) -> Path:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2020-01-01' >&2\n")
    java.chmod(0o755)
    return folder


def test_require_java__without_one_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        FeatureError, match=r"PATH has no Java; install Java 17 or newer .*set build_features"
    ):
        require_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(FeatureError, match=rf"JAVA_HOME={tmp_path} has no Java"):
        require_java()


def test_require_java__an_old_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java_that_says(tmp_path / "old", "1.8.0_292")))
    with pytest.raises(FeatureError, match=r"is not Java 17 or newer \(it says .*1\.8\.0_292"):
        require_java()
    monkeypatch.setenv("JAVA_HOME", str(java_that_says(tmp_path / "new", "21.0.1")))
    require_java()


def test_open_session__without_pyspark_names_the_make_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyspark"]:
        monkeypatch.delitem(sys.modules, name)
    with (
        pytest.raises(FeatureError, match=r"pyspark is not installed; run `make setup-spark`"),
        open_session(SparkPlace("local[1]", "1g", tmp_path)),
    ):
        pass
