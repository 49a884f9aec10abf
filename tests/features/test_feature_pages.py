"""The pages of the features are those that the headers and the SQL give."""

from pathlib import Path

import pytest

from pipelines import feature_pages
from pipelines.feature_pages import FOLDER, MARK, checked_catalog, column_types, render_index, render_page
from pipelines.features.catalog import Catalog
from pipelines.features.views import FeatureError
from tests.features.tiny_shop import VIEWS

STALE = "stale: run `make docs`"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return checked_catalog()


@pytest.fixture(scope="module")
def types(catalog: Catalog) -> dict[str, dict[str, str]]:
    return column_types(catalog)


@pytest.mark.parametrize("name", VIEWS)
def test_page__is_as_the_view_says(name: str, catalog: Catalog, types: dict[str, dict[str, str]]) -> None:
    assert (FOLDER / f"{name}.md").read_text() == render_page(name, catalog, types[name]), STALE


def test_index__is_as_the_views_say(catalog: Catalog) -> None:
    assert (FOLDER / "README.md").read_text() == render_index(catalog), STALE
    assert {page.stem for page in FOLDER.glob("*.md")} == {*VIEWS, "README"}, STALE


def test_page__says_type_meaning_origin_and_readers(
    catalog: Catalog, types: dict[str, dict[str, str]]
) -> None:
    page = render_page("household_items", catalog, types["household_items"])
    assert "| `baskets` | bigint | its baskets that hold the item, number | rows of events |" in page
    assert "Read by: [household_categories](household_categories.md), [household_brands]" in page
    assert "Reads: [basket_lines](basket_lines.md), [moment](README.md#what-a-view-may-read)." in page


def test_checked_catalog__refuses_a_column_that_the_header_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = (Path(feature_pages.__file__).parent / "features/households.sql").read_text()
    line = "-- column spend: what it paid for them, shop currency\n"
    assert sql.count(line) == 1
    for name in VIEWS:
        (tmp_path / f"{name}.sql").write_text(
            "-- Rows.\n-- key: a\n-- windows: all\n-- column a: one\nSELECT 1 AS a"
        )
    (tmp_path / "households.sql").write_text(sql.replace(line, ""))
    monkeypatch.setattr(feature_pages, "Catalog", lambda names: Catalog(names, tmp_path))
    with pytest.raises(FeatureError) as refused:
        feature_pages.write_pages(tmp_path / "pages")
    assert (
        str(refused.value) == "pipelines/features/households.sql: add a line `-- column spend: meaning, unit`"
    )
    assert not (tmp_path / "pages").exists()


def test_write_pages__removes_those_of_views_that_are_gone_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "gone.md").write_text(f"{MARK}; edit pipelines/features/gone.sql instead. -->")
    (tmp_path / "by_hand.md").write_text("# Ours")
    feature_pages.write_pages(tmp_path)
    assert {page.stem for page in tmp_path.glob("*.md")} == {*VIEWS, "README", "by_hand"}
