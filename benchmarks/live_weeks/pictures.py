"""Screenshots of Airflow's pages, as a user sees them."""

import shutil
from pathlib import Path

from pipelines.settings import Settings
from pipelines.stack.passwords import passwords
from pipelines.stack.runs import TRAIN

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PAGES = {"grid": f"/dags/{TRAIN}", "runs": f"/dags/{TRAIN}/runs"}


def chromium() -> str | None:
    """Path of the browser, None where none is installed."""
    return next((found for name in CHROMIUM if (found := shutil.which(name))), None)


def take_pictures(settings: Settings, folder: Path) -> list[str]:
    """Names of the pictures that were taken, none without Chromium and Playwright."""
    binary = chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    if binary is None:
        return []
    taken: list[str] = []
    known = passwords(settings)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=QUIET.split())
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(60_000)
        page.goto(settings.airflow)
        page.locator("input[name=username]").fill(known.airflow_user)
        page.locator("input[name=password]").fill(known.airflow_password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("Welcome").first.wait_for()
        for name, path in PAGES.items():
            page.goto(f"{settings.airflow}{path}")
            page.get_by_text(TRAIN).first.wait_for()
            page.wait_for_timeout(4000)  # the grid is drawn as its runs come in
            file = folder / f"airflow_{name}.png"
            page.screenshot(path=file)
            taken.append(file.name)
        browser.close()
    return taken
