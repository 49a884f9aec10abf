"""What the containers wait for: the service `prepare` of docker-compose.yml, run for real on SQLite."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def prepare(home: Path) -> None:
    """Run the words that the container is given, as the image's entry point `shoploop` would."""
    words = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prepare"]["command"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SHOPLOOP_")}
    command = [sys.executable, "-m", "pipelines.cli", *words]
    environment = inherited | {"SHOPLOOP_HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def pools(database: Path) -> dict[str, int]:
    with sqlite3.connect(database) as connection:
        return dict(connection.execute("SELECT pool, slots FROM slot_pool"))


def test_prepare__makes_each_pool_that_a_dag_names_and_keeps_what_a_person_changed(tmp_path: Path) -> None:
    named = {
        name
        for file in (ROOT / "dags").glob("*.py")
        for name in re.findall(r'pool="(\w+)"', file.read_text())
    }
    database = tmp_path / "airflow" / "airflow.db"
    prepare(tmp_path)
    assert named == {"gpu"}
    assert pools(database)["gpu"] == 1
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE slot_pool SET slots = 3 WHERE pool = 'gpu'")
    prepare(tmp_path)
    assert pools(database)["gpu"] == 3
