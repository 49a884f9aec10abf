"""A shop of its own for each test: real parameters, empty home."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from landed_files import HISTORY, WeekFile

from pipelines.actions.land_batch import LandRequest, land_batch
from pipelines.actions.validate_batch import ValidateResult, validate_batch
from pipelines.contracts import EVENTS, ITEMS
from pipelines.contracts.samples import sample_rows
from pipelines.settings import CHECKOUT, Settings
from pipelines.shop import OpenShop, open_shop


@pytest.fixture
def shop_settings(tmp_path: Path) -> Settings:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    params = (CHECKOUT / "params.yaml").read_text()
    changed = params.replace("history_until_week: 44", f"history_until_week: {HISTORY}")
    assert changed != params
    (checkout / "params.yaml").write_text(changed)
    return Settings(home=tmp_path / "home", checkout=checkout)


@pytest.fixture
def shop(shop_settings: Settings) -> OpenShop:
    return open_shop(shop_settings)


@pytest.fixture
def week_file(tmp_path: Path, shop: OpenShop) -> WeekFile:
    """Writes a file of ``rows`` events in the middle of a week; ``changes`` as in ``sample_rows``."""

    def write(week: int, rows: int = 100, changes: dict[int, dict[str, object]] | None = None) -> Path:
        moment = shop.calendar.start(week) + timedelta(days=3)
        base = {number: {"event_id": f"w{week}-{number}", "occurred_at": moment} for number in range(rows)}
        for number, change in (changes or {}).items():
            base[number] |= change
        path = tmp_path / f"week-{week}.parquet"
        pq.write_table(sample_rows(EVENTS, rows, base), path)
        return path

    return write


@pytest.fixture
def land(shop_settings: Settings) -> Callable[..., ValidateResult]:
    """Lands a request and judges it."""

    def run(**request: object) -> ValidateResult:
        land_batch(shop_settings, LandRequest(**request))  # type: ignore[arg-type]
        return validate_batch(shop_settings)

    return run


@pytest.fixture
def items_file(tmp_path: Path) -> Path:
    path = tmp_path / "items.parquet"
    pq.write_table(sample_rows(ITEMS, 2), path)
    return path
