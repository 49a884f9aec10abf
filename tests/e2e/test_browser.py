"""A person at the web UI: log in, fill in the form, watch the run reach the gate, open the decision."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.running_shop import ROLLBACK, TRAIN, RunningShop

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]


def test_form__starts_a_run_that_reaches_the_gate_and_asks_a_person_in_vain(
    shop: RunningShop, first: dict[str, str], page: Page, pictures: Path
) -> None:
    before = {run["dag_run_id"] for run in shop.airflow.runs(TRAIN)}
    page.goto(f"{shop.settings.airflow}/dags/{TRAIN}")
    page.get_by_role("button", name="Trigger").first.click()
    page.locator("input[name=element_history_weeks]").fill("30")
    page.locator("input[name=element_approval_hours]").fill("0.02")
    # The checkbox itself is hidden behind the switch that is drawn for it.
    page.locator("label:has(input[name=element_require_approval]) [data-part=control]").click()
    expect(page.locator("input[name=element_require_approval]")).to_be_checked()
    page.locator("#element_reason").fill("A person tries less history")
    page.screenshot(path=pictures / "airflow_form.png")
    page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
    run = new_run(shop, before, page)

    assert shop.wait_for_task(TRAIN, run, "read_decision", ("success",))
    page.goto(f"{shop.settings.airflow}/dags/{TRAIN}/runs/{run}/tasks/read_decision")
    expect(page.get_by_text("Quality decision:").first).to_be_visible()
    page.screenshot(path=pictures / "airflow_decision.png")
    assert shop.wait(TRAIN, run) == "success", shop.explain(TRAIN, run)
    states = shop.states(TRAIN, run)
    assert shop.facts(run)["overrides"] == {"split_weeks.history_weeks": 30}
    assert shop.facts(run)["reason"] == "A person tries less history"
    # Less history may cost the candidate its pass; then nobody is asked, and the run is refused all the same.
    asked = shop.decision(run)["verdict"] == "PASS"
    assert states["refused_approval" if asked else "refused"] == "success", shop.note(TRAIN, run)
    assert states["release_model"] == "skipped"
    assert shop.live() == first["release"]


def test_approval__of_a_person_in_the_browser_releases(
    shop: RunningShop, first: dict[str, str], page: Page, pictures: Path
) -> None:
    run = next(run["dag_run_id"] for run in shop.airflow.runs(TRAIN) if run["conf"].get("require_approval"))
    if shop.decision(run)["verdict"] != "PASS":
        pytest.skip("less history cost the candidate its pass, so there is nothing to approve")

    # A refusal for want of an answer is not the end: the task can be cleared, and asks again.
    shop.clear(TRAIN, run, "approve_release")
    shop.wait_for_task(TRAIN, run, "approve_release", ("awaiting_input",))
    page.goto(f"{shop.settings.airflow}/dags/{TRAIN}/runs/{run}/tasks/approve_release/required_actions")
    page.get_by_role("button", name="Approve").wait_for()
    page.screenshot(path=pictures / "airflow_approval.png")
    page.get_by_role("button", name="Approve").click()

    assert shop.wait(TRAIN, run) == "success", shop.explain(TRAIN, run)
    assert shop.states(TRAIN, run)["finished"] == "success", shop.note(TRAIN, run)
    assert shop.live() != first["release"]
    # The tests that follow start from the first release.
    back = shop.trigger(ROLLBACK, reason="the approval was a test")
    assert shop.wait(ROLLBACK, back) == "success", shop.explain(ROLLBACK, back)
    assert shop.live() == first["release"]


def new_run(shop: RunningShop, before: set[str], page: Page) -> str:
    for _ in range(120):
        found = {str(run["dag_run_id"]) for run in shop.airflow.runs(TRAIN)} - before
        if found:
            return found.pop()
        page.wait_for_timeout(500)
    raise AssertionError("the form started no run")
