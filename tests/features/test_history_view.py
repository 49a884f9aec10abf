"""Histories from events: all that is known, by the view that a bundle carries."""

from pathlib import Path

import pyarrow.parquet as pq

from pipelines.features.build import build_views
from pipelines.features.history_view import IN_BUNDLE, VIEW, histories_of, views_of
from pipelines.features.views import FOLDER
from tests.features.test_views import AT, shop

ROWS = [("ann", "b1", "milk", 30.5), ("ann", "b2", "bread", 1.5), ("ann", "b3", "eggs", -0.5)]


def without_bread(folder: Path) -> Path:
    """A folder with a view of one's own."""
    folder.mkdir(parents=True)
    sql = (FOLDER / f"{VIEW}.sql").read_text()
    assert sql.count("items.recommendable") == 2
    (folder / f"{VIEW}.sql").write_text(
        sql.replace("items.recommendable", "items.recommendable AND items.item_id <> 'bread'")
    )
    return folder


def test_histories_of__reach_back_beyond_what_is_learned_from_and_not_past_the_moment(tmp_path: Path) -> None:
    events, items = shop(tmp_path, ROWS)
    build_views((VIEW,), events, items, AT, 41, tmp_path / "out", from_week=31)

    learned = pq.read_table(tmp_path / f"out/{VIEW}.parquet")["item_id"].to_pylist()
    (ann,) = histories_of(events, items, AT, 41)

    assert learned == ["bread"]
    assert ann.items.tolist() == ["milk", "bread"]
    assert ann.baskets.tolist() == [0, 1]


def test_histories_of__are_made_by_the_view_that_is_given(tmp_path: Path) -> None:
    events, items = shop(tmp_path, ROWS)
    own = without_bread(tmp_path / "bundle" / IN_BUNDLE)

    (ann,) = histories_of(events, items, AT, 41, views_of(tmp_path / "bundle"))

    assert views_of(tmp_path / "bundle") == own
    assert ann.items.tolist() == ["milk"]


def test_views_of__a_bundle_without_a_view_is_the_checkout(tmp_path: Path) -> None:
    assert views_of(tmp_path) == FOLDER
