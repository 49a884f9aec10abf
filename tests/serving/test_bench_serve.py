"""`shoploop bench serve` against a real data plane."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.load_test.questions import SCENARIOS
from pipelines.releases.rehearsal import free_ports
from tests.serving.plane_under_test import Plane


def bench(*arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["bench", "serve", "--seconds", "0.5", *arguments])
    return found.exit_code, found.stdout, found.stderr


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_bench__asks_each_scenario_and_gets_good_answers(plane: Plane, scenario: str, tmp_path: Path) -> None:
    picture = tmp_path / "latency.png"
    url = f"http://127.0.0.1:{plane.port}"
    code, told, _ = bench(
        "--url", url, "--scenario", scenario, "--rate", "40", "--json", "--plot", str(picture)
    )
    found = json.loads(told)
    assert (code, found["answered"], found["errors"]) == (0, 20, {})
    assert found["p50_ms"] <= found["p90_ms"] <= found["p99_ms"] <= found["max_ms"]
    assert sum(found["sources"].values()) == 20
    assert picture.stat().st_size > 1000


def test_bench__without_a_rate_goes_as_fast_as_answers_come(plane: Plane) -> None:
    code, told, _ = bench("--url", f"http://127.0.0.1:{plane.port}", "--in-flight", "2")
    assert code == 0
    assert "good answers a second" in told
    assert "errors   none" in told


def test_bench__says_what_is_wrong_with_its_arguments(plane: Plane) -> None:
    url = f"http://127.0.0.1:{plane.port}"
    assert bench("--url", "https://shop")[::2] == (
        2,
        "--url: expected http://HOST:PORT, found 'https://shop'\n",
    )
    code, _, told = bench("--url", url, "--scenario", "guess")
    assert code == 2
    assert "--scenario: expected one of recommendations, similar-items" in told
    assert bench("--url", url, "--rate", "0")[0] == 2
    assert bench("--url", url, "--seconds", "0")[0] == 2


def test_bench__of_nobody_fails(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    code, told, _ = bench("--url", url, "--rate", "10")
    assert (code, "5 ConnectionRefusedError" in told) == (1, True)
    code, _, told = bench("--url", url, "--scenario", "rank")
    assert code == 2
    assert "gives no list" in told
