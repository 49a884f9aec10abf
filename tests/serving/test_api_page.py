"""docs/api.md is what the routes say."""

from pipelines.api_pages import PAGE, page
from serving.routes import ROUTES


def test_page__is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_page__shows_each_route_with_an_example_and_every_field() -> None:
    text = page()
    for route in ROUTES:
        section = text[text.index(f"\n## {route.method} {route.path}\n") :].split("\n## ")[1]
        assert "```console\n$ curl" in section
    assert "| only.brand | list of string" in text
    assert "| stock | integer 0-1000000000 or null |" in text
