"""What a person sees of a passed and of a refused run; the documentation shows these very pictures."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.running_shop import TRAIN, RunningShop

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]


def test_graph__of_a_passed_and_of_a_refused_run_is_drawn_with_its_note(
    shop: RunningShop, second: dict[str, Any], refused: dict[str, Any], page: Page, pictures: Path
) -> None:
    for name, run in (("airflow_passed", second["run"]), ("airflow_refused", refused["run"])):
        picture_of_graph(shop, page, run, pictures / f"{name}.png")
        assert (pictures / f"{name}.png").stat().st_size > 20_000


def picture_of_graph(shop: RunningShop, page: Page, run: str, path: Path) -> None:
    page.goto(f"{shop.settings.airflow}/dags/{TRAIN}/runs/{run}")
    graph = page.get_by_role("button", name="Show Graph (Press g)")
    if graph.count():
        graph.click()
    expect(page.get_by_text("decide_promotion").first).to_be_visible()
    page.wait_for_timeout(3000)  # the layout of the graph is animated
    page.screenshot(path=path)
