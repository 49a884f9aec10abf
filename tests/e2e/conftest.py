"""One real stack for all end-to-end tests, on free ports, and the turns of the loop that they look at."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.live_weeks.pictures import QUIET, chromium
from benchmarks.live_weeks.spoilt_features import LINES, permuted
from pipelines.settings import Settings
from pipelines.stack.passwords import passwords
from pipelines.stack.ports import free_port
from tests.e2e.running_shop import INGEST, PORTS, RUN_SECONDS, TRAIN, RunningShop, copy_checkout
from tests.monitoring.webhook import Webhook, listening

# Everything is real and as params.yaml says, but for how often an interval is resampled for the reports. Fewer target
# weeks would spare a third of each training, and leave week 45's candidate too close to its champion to be told apart.
SMALLER = {"evaluate_candidate.bootstrap_samples": 200}
HISTORY = 44  # as params.yaml says: the week that the first landing ends with


@pytest.fixture(scope="package")
def webhook() -> Iterator[Webhook]:
    """Who is on call."""
    with listening() as server:
        yield server


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory, webhook: Webhook) -> Iterator[RunningShop]:
    folder = tmp_path_factory.mktemp("shop")
    ports: dict[str, int] = {}
    for name in PORTS:
        ports[name] = free_port("127.0.0.1", max(ports.values(), default=31000) + 1)
    copy_checkout(folder / "checkout", SMALLER)
    places = {"checkout": folder / "checkout", "home": folder / "home"}
    made = RunningShop(Settings(**places, alert_webhook=webhook.url, **ports))
    try:
        made.shoploop("up", timeout=600)
        yield made
    finally:
        made.shoploop("down")


@pytest.fixture(scope="package")
def first(shop: RunningShop) -> dict[str, str]:
    """The first turn: the history lands, and its asset starts a training."""
    ingest = shop.trigger(INGEST, weeks=0)
    assert shop.wait(INGEST, ingest) == "success", shop.explain(INGEST, ingest)
    training = shop.training_after(ingest)
    assert shop.wait(TRAIN, training) == "success", shop.explain(TRAIN, training)
    return {"run": training, "release": shop.live()}


@pytest.fixture(scope="package")
def second(shop: RunningShop, first: dict[str, str]) -> dict[str, Any]:
    """The second turn, its release under load: one real week and a posted event land, and the scheduler is killed."""
    item = shop.ask()["items"][0]["item_id"]
    posted = {"event_id": "e2e-1", "user_id": "1", "event_type": "purchase", "item_id": item}
    shop.post("/v1/events", posted | {"quantity": 1, "value": 2.5, "basket_id": "e2e-basket"})
    ingest = shop.trigger(INGEST, weeks=1)
    assert shop.wait(INGEST, ingest) == "success", shop.explain(INGEST, ingest)
    training = shop.training_after(ingest)
    shop.wait_for_task(TRAIN, training, "build_features", ("running",))
    shop.kill("airflow-scheduler")
    shop.shoploop("up")
    shop.wait_for_task(TRAIN, training, "register_version", ("queued", "running", "success"))
    with shop.load() as load:
        assert shop.wait(TRAIN, training) == "success", shop.explain(TRAIN, training)
        time.sleep(1)
    return {"run": training, "release": shop.live(), "load": load}


@pytest.fixture(scope="package")
def refused(shop: RunningShop, second: dict[str, Any]) -> dict[str, Any]:
    """What `shoploop run` trains after a feature file was edited so that every item is taken for another one."""
    with shop.edited(LINES, permuted):
        told = shop.shoploop("run", timeout=RUN_SECONDS)
    run = str(shop.airflow.runs(TRAIN)[0]["dag_run_id"])
    return {"run": run, "told": told, "edited": [LINES]}


@pytest.fixture(scope="package")
def page(shop: RunningShop) -> Iterator[Page]:
    """A browser whose user has logged in to Airflow."""
    binary = chromium()
    if binary is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=QUIET.split())
        made = browser.new_page(viewport={"width": 1600, "height": 1000})
        made.set_default_timeout(60_000)
        log_in(made, shop)
        yield made
        browser.close()


@pytest.fixture(scope="package")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go; the documentation takes them from there."""
    folder = os.environ.get("SHOPLOOP_SCREENSHOTS")
    path = Path(folder) if folder else tmp_path_factory.mktemp("pictures")
    path.mkdir(parents=True, exist_ok=True)
    return path


def log_in(page: Page, shop: RunningShop) -> None:
    known = passwords(shop.settings)
    page.goto(shop.settings.airflow)
    page.locator("input[name=username]").fill(known.airflow_user)
    page.locator("input[name=password]").fill(known.airflow_password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Welcome").first).to_be_visible()
