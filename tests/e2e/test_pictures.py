"""What a person sees of a passed and of a refused run; the documentation shows these very pictures."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.running_shop import TRAIN, RunningShop

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]


def test_graph__of_a_passed_and_of_a_refused_run_shows_the_branch_that_was_taken(
    shop: RunningShop, second: dict[str, Any], refused: dict[str, Any], page: Page, pictures: Path
) -> None:
    passed = {"refused": "skipped", "release_model": "success", "finished": "success"}
    open_graph(shop, page, second["run"], passed, "promoted: week")
    page.screenshot(path=pictures / "airflow_passed.png")
    stopped = {"refused": "success", "release_model": "skipped", "finished": "skipped"}
    open_graph(shop, page, refused["run"], stopped, "refused: week")
    page.screenshot(path=pictures / "airflow_refused.png")


def open_graph(shop: RunningShop, page: Page, run: str, states: dict[str, str], note: str) -> None:
    """Open a run's graph from top to bottom, in a window in which it can be read; wait until it is drawn."""
    page.set_viewport_size({"width": 1300, "height": 1600})
    page.goto(f"{shop.settings.airflow}/dags/{TRAIN}/runs/{run}")
    page.get_by_role("button", name="Show Graph (Press g)").click()
    page.get_by_role("button", name="Options").click()
    page.get_by_role("combobox").filter(has_text=re.compile("Left to Right|Top to Bottom")).click()
    page.get_by_role("option", name="Top to Bottom").click()
    page.keyboard.press("Escape")
    for task, state in states.items():
        node = page.locator(".react-flow__node").filter(has=page.get_by_text(task, exact=True))
        expect(node).to_contain_text(state)
    expect(page.get_by_text(note).first).to_be_visible()
    page.wait_for_timeout(1000)  # the layout is animated
    page.get_by_role("button", name="Fit View").click()
    page.wait_for_timeout(1000)
