"""`shoploop source` for published data sets, and docs/published.md."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from published_rows import UCI, write_plain
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.settings import CHECKOUT, settings
from pipelines.sources.declaration import load_source
from pipelines.sources.published.listing import PAGE, page
from pipelines.sources.published.presets import FOLDER, load_preset, preset_names

Shoploop = Callable[..., Result]


@pytest.fixture
def shoploop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shoploop]:
    (tmp_path / "params.yaml").write_text((CHECKOUT / "params.yaml").read_text())
    monkeypatch.setenv("SHOPLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SHOPLOOP_CHECKOUT", str(tmp_path))
    settings.cache_clear()
    yield lambda *words: CliRunner().invoke(app, ["source", *words])
    settings.cache_clear()


def test_page__is_as_the_presets_say() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


@pytest.mark.parametrize("name", preset_names())
def test_preset__can_be_loaded_and_says_what_a_person_needs(name: str, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(f"name: shop\nkind: published\nlocation: {name}\n")
    source = load_source(tmp_path / "shop.yaml")
    preset = load_preset(name)
    assert {"events", "items"} <= set(source.data_sets)
    assert preset.homepage.startswith("https://")
    assert all(url.startswith("https://") for url in preset.downloads)
    assert len(preset.decisions) >= 4
    assert preset.prepare in (None, name)
    assert (FOLDER / f"{name}.py").exists() == (preset.prepare is not None)


def test_published__are_the_seven_with_licence_and_how_they_are_had(shoploop: Shoploop) -> None:
    found = json.loads(shoploop("published", "--json").stdout)["presets"]
    assert {one["name"]: one["is_downloaded"] for one in found} == {
        "amazon_reviews_2023": True,
        "diginetica": False,
        "h_and_m": False,
        "instacart": False,
        "movielens": True,
        "retailrocket": False,
        "uci_online_retail": True,
    }
    text = shoploop("published").stdout
    assert "licence: Creative Commons Attribution 4.0 (CC BY 4.0)" in text
    assert "by hand: Log in to Kaggle" in text


def test_add__writes_a_source_without_downloading(shoploop: Shoploop, tmp_path: Path) -> None:
    answer = shoploop("add", "gifts", "--kind", "published", "--location", "uci_online_retail")
    assert answer.exit_code == 0, answer.output
    written = (tmp_path / "sources" / "gifts.yaml").read_text()
    assert written.splitlines()[3:] == [
        "name: gifts",
        "kind: published",
        "location: 'uci_online_retail'",
        "timezone: Europe/London",
        "currency: GBP",
    ]
    assert "# Licence: Creative Commons" in written
    assert not (tmp_path / "home").exists()


def test_check__of_files_that_are_here(shoploop: Shoploop, tmp_path: Path) -> None:
    write_plain(tmp_path / "here", {"data.csv": UCI})
    shoploop("add", "gifts", "--kind", "published", "--location", "uci_online_retail:here")
    answer = shoploop("check", "gifts")
    assert answer.exit_code == 2, "a few rows make no history"
    assert "cancelled_order" in answer.output
    assert "orders/data.csv, row 10" in answer.output


def test_check__without_the_files_says_what_to_do(shoploop: Shoploop, tmp_path: Path) -> None:
    shoploop("add", "fashion", "--kind", "published", "--location", "h_and_m")
    answer = shoploop("check", "fashion")
    assert answer.exit_code == 2
    assert (
        f"Put the files, packed or not, into {tmp_path / 'home' / 'published' / 'h_and_m'}" in answer.output
    )


def test_add__of_an_unknown_one_leaves_nothing(shoploop: Shoploop, tmp_path: Path) -> None:
    answer = shoploop("add", "gifts", "--kind", "published", "--location", "uci")
    assert answer.exit_code == 2
    assert "expected a published data set, found 'uci'; " in answer.output
    assert not (tmp_path / "sources").exists()
