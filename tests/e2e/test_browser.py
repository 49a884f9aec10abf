"""A person at the web UI: log in, fill in the form, watch the run reach the gate, open the decision."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.running_shop import TRAIN, RunningShop

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

EDITED = "pipelines/ranking/blended.py"


@pytest.fixture(scope="package")
def asked(shop: RunningShop, first: dict[str, str], page: Page, pictures: Path) -> str:
    """A run that a person starts with the form, of a checkout in which a comment was added.

    More weeks of history than have landed and another comment change no score, so it is sure to pass, and
    its candidate is a release of its own.
    """
    before = {run["dag_run_id"] for run in shop.airflow.runs(TRAIN)}
    page.goto(f"{shop.settings.airflow}/dags/{TRAIN}")
    page.get_by_role("button", name="Trigger").first.click()
    page.locator("input[name=element_history_weeks]").fill("50")
    page.locator("input[name=element_approval_hours]").fill("0.01")
    # The checkbox itself is hidden behind the switch that is drawn for it.
    page.locator("label:has(input[name=element_require_approval]) [data-part=control]").click()
    expect(page.locator("input[name=element_require_approval]")).to_be_checked()
    page.locator("#element_reason").fill("A person asks for more history")
    page.screenshot(path=pictures / "airflow_form.png")
    with shop.edited(EDITED, lambda text: f"{text}# A person was here.\n"):
        page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
        run = new_run(shop, before, page)
        shop.wait_for_task(TRAIN, run, "open_run", ("success",))
    return run


def test_form__starts_a_run_that_is_watched_to_the_gate(
    shop: RunningShop, asked: str, page: Page, pictures: Path
) -> None:
    shop.wait_for_task(TRAIN, asked, "read_decision", ("success",))
    page.goto(f"{shop.settings.airflow}/dags/{TRAIN}/runs/{asked}/tasks/read_decision")

    expect(page.get_by_text("Quality decision:").first).to_be_visible()
    page.screenshot(path=pictures / "airflow_decision.png")
    facts = shop.facts(asked)
    assert facts["overrides"] == {"split_weeks.history_weeks": 50}
    assert facts["reason"] == "A person asks for more history"
    assert facts["changed"] == [EDITED]
    assert shop.decision(asked)["verdict"] == "PASS", shop.decision(asked)["summary"]


def test_approval__that_nobody_gives_in_time_is_a_refusal(
    shop: RunningShop, first: dict[str, str], asked: str
) -> None:
    assert shop.wait(TRAIN, asked) == "success", shop.explain(TRAIN, asked)
    states = shop.states(TRAIN, asked)

    assert states["refused_approval"] == "success", shop.note(TRAIN, asked)
    assert states["release_model"] == "skipped"
    assert shop.live() == first["release"]


def test_approval__of_a_person_in_the_browser_releases(
    shop: RunningShop, first: dict[str, str], asked: str, page: Page, pictures: Path
) -> None:
    # A refusal for want of an answer is not the end: the task can be cleared, and asks again.
    shop.clear(TRAIN, asked, "approve_release")
    shop.wait_for_task(TRAIN, asked, "approve_release", ("awaiting_input",))
    page.goto(f"{shop.settings.airflow}/dags/{TRAIN}/runs/{asked}/tasks/approve_release/required_actions")
    page.get_by_role("button", name="Approve").wait_for()
    expect(page.get_by_role("listitem").filter(has_text="superior_to_blend_without_sequence")).to_be_visible()
    page.screenshot(path=pictures / "airflow_approval.png")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.get_by_role("button", name="Approve").click()
    page.goto("about:blank")  # Airflow's pages ask for news every few seconds, as long as they are open

    assert shop.wait(TRAIN, asked) == "success", shop.explain(TRAIN, asked)
    assert shop.states(TRAIN, asked)["finished"] == "success", shop.note(TRAIN, asked)
    assert shop.live() != first["release"]
    # The tests that follow start from the first release.
    shop.shoploop("releases", "rollback", "--reason", "the approval was a test")
    assert shop.live() == first["release"]


def new_run(shop: RunningShop, before: set[str], page: Page) -> str:
    for _ in range(120):
        found = {str(run["dag_run_id"]) for run in shop.airflow.runs(TRAIN)} - before
        if found:
            return found.pop()
        page.wait_for_timeout(500)
    raise AssertionError("the form started no run")
