"""A small shop with landed events, and a checkout of a few files: what opening a run needs."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.actions.land_batch import LandRequest, land_batch
from pipelines.actions.open_run import RunRequest, open_run
from pipelines.actions.validate_batch import validate_batch
from pipelines.contracts import EVENTS
from pipelines.contracts.samples import sample_rows
from pipelines.run_facts import RunFacts
from pipelines.settings import CHECKOUT, Settings
from pipelines.shop import open_shop
from tests.workspace.test_snapshot import git

LOCK = "requirements/platform-cpu.txt"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    checkout = tmp_path / "checkout"
    (checkout / "requirements").mkdir(parents=True)
    for name in ("params.yaml", LOCK, "requirements/platform-gpu.txt"):
        (checkout / name).write_bytes((CHECKOUT / name).read_bytes())
    (checkout / "feature.sql").write_text("select 1")
    git(checkout, "init", "-q")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "start")
    return Settings(home=tmp_path / "home", checkout=checkout)


@pytest.fixture
def land_week(settings: Settings, tmp_path: Path) -> Callable[..., None]:
    """Lands a small file that completes a week."""
    shop = open_shop(settings)

    def land(week: int, again: bool = False) -> None:
        if again:
            # The same rows in another file: a batch of its own that holds nothing new.
            rows = pq.read_table(tmp_path / f"week-{week}.parquet").slice(0, 50)
            pq.write_table(rows, tmp_path / "again.parquet")
            land_batch(settings, LandRequest(file=tmp_path / "again.parquet"))
            validate_batch(settings)
            return
        moment = shop.calendar.start(week) + timedelta(days=3)
        rows = {number: {"event_id": f"w{week}-{number}", "occurred_at": moment} for number in range(100)}
        file = tmp_path / f"week-{week}.parquet"
        pq.write_table(sample_rows(EVENTS, 100, rows), file)
        land_batch(settings, LandRequest(file=file, week=week))
        validate_batch(settings)

    return land


@pytest.fixture
def opened(settings: Settings) -> Callable[..., RunFacts]:
    """Opens a run; what is not said is as the form's defaults say."""

    def run(run_id: str, **said: object) -> RunFacts:
        asked: dict[str, object] = {"overrides": {}, "promote": True, "require_approval": False, "reason": ""}
        return open_run(settings, RunRequest(run_id, **(asked | said)))  # type: ignore[arg-type]

    return run
