"""The soak test: what it calls flat, lost and failed, and a short run of it."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pages
from benchmarks.soak import STORES, Soaked, report
from pipelines.load_test.driver import Seen
from pipelines.settings import CHECKOUT
from tests.benchmarks.small_events import write_events
from tests.redis_under_test import RedisUnderTest
from tests.serving.tiny_bundle import write_tiny_bundle

FACTS = {"items": 30_601, "users": 2_469, "path": "bundle", "sha256": "0", "store": "redis"}


def soaked(last: float = 104.9, stored: int = 3, **errors: int) -> Soaked:
    """One release until second 10, two until second 50 with memory from 100 to ``last`` MiB."""
    memory = [(float(at), 50.0) for at in range(12)]
    memory += [(float(at), 100.0 if at < 31 else last) for at in range(12, 52)]
    memory[-1] = (51.0, 900.0)  # a third process for a moment
    events = Seen(milliseconds=[1.0, 2.0, 3.0], errors=Counter(errors), seconds=51.0)
    lists = Seen(milliseconds=[5.0], seconds=51.0)
    return Soaked(20.0, lists, events, stored, [(10.0, 2.0), (30.0, 1.0)], memory)


def met(one: Soaked, swaps: int = 2) -> list[tuple[Any, bool]]:
    return [(goal["value"], goal["met"]) for goal in report(one, swaps, FACTS)["goals"]]


def test_report__judges_failures_losses_swaps_and_growth() -> None:
    assert met(soaked()) == [(0, True), (0, True), (2, True), (0.049, True)]
    assert met(soaked(last=105.0))[3] == (0.05, False)
    assert met(soaked(stored=2))[1] == (1, False)
    assert met(soaked(closed=2))[0] == (2, False)
    assert met(soaked(), swaps=3)[2] == (2, False)
    unseen = soaked()
    unseen.memory = []
    assert not met(unseen)[3][1]


def test_page__shows_the_load_and_every_figure() -> None:
    page = pages.render_page("soak", report(soaked(closed=2), 2, FACTS))
    assert "20 lists a second of 30,601 items for 2,469 shoppers, 51 s; state in Redis, each" in page
    assert "| events | failed: closed | 2 |" in page
    assert "| endpoint | memory mib last quarter | 104.9 |" in page
    assert "- **not met**: failed requests == 0; reached: 2" in page


@pytest.mark.parametrize("store", STORES)
def test_command__swaps_under_load_without_a_failure(tmp_path: Path, store: str) -> None:
    if store == "redis":
        RedisUnderTest().remove()  # skipped without a server
    write_tiny_bundle(tmp_path / "bundle")
    command = [sys.executable, "-m", "benchmarks.soak", "--out", str(tmp_path / "out")]
    command += ["--bundle", str(tmp_path / "bundle")]
    command += ["--events", str(write_events(tmp_path / "events.parquet"))]
    command += ["--minutes", "0.25", "--swaps", "2", "--rate", "40", "--store", store]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    whole = json.loads((tmp_path / "out" / "report.json").read_text())
    found = {(row["system"], row["metric"]): row["value"] for row in whole["results"]}
    assert [goal["met"] for goal in whole["goals"][:3]] == [True, True, True], whole["goals"]
    assert whole["data"]["store"] == store
    assert found["lists", "answered"] == 600
    assert found["events", "answered"] == 30
    assert found["endpoint", "swaps"] == 2
    assert len(whole["memory"]) > 5
    assert min(mib for _, mib in whole["memory"]) > 10
    assert (tmp_path / "out" / "soak.png").stat().st_size > 1000
