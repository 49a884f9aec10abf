"""What a view is shown: what was known at the moment, and nothing else."""

from pathlib import Path

import duckdb
import pytest

from pipelines.features.build import build_views, load_known
from pipelines.features.views import FeatureError
from tests.features.tiny_shop import AT, WEEK, WEEK_US, Row, bought, build_shop, promoted, write_shop


def known(folder: Path, table: str, column: str, events: list[Row], promotions: list[Row]) -> list[str]:
    shop = write_shop(folder, events, promotions)
    with duckdb.connect() as database:
        load_known(database, shop.events, shop.items, AT, WEEK, 1, shop.users, shop.promotions)
        found = database.execute(f"SELECT {column} FROM {table} ORDER BY 1").fetchall()
    return [value for (value,) in found]


def test_known_events__happened_before_the_moment_and_were_learned_of_until_then(tmp_path: Path) -> None:
    events = [
        bought("ann", "b1", "milk", 0.5, event_id="in time"),
        bought("ann", "b2", "milk", 0.5, learned=0, event_id="learned at the moment"),
        bought("ann", "b3", "milk", 0.5, learned=-0.5, event_id="learned later"),
        bought("ann", "b4", "milk", 0, event_id="at the moment"),
    ]
    assert known(tmp_path, "known_events", "event_id", events, []) == ["in time", "learned at the moment"]


def test_known_events__a_corrected_one_gives_way_from_the_moment_its_correction_is_known(
    tmp_path: Path,
) -> None:
    events = [
        bought("ann", "b1", "milk", 3, event_id="wrong"),
        bought("ann", "b1", "eggs", 3, learned=1, event_id="right", corrects="wrong"),
        bought("bob", "b2", "milk", 3, event_id="not yet"),
        bought("bob", "b2", "eggs", 3, learned=-1, event_id="later", corrects="not yet"),
    ]
    assert known(tmp_path, "known_events", "event_id", events, []) == ["not yet", "right"]


def test_known_events__a_correction_can_be_corrected(tmp_path: Path) -> None:
    events = [
        bought("ann", "b1", "milk", 3, event_id="first"),
        bought("ann", "b1", "milk", 3, learned=2, event_id="second", corrects="first"),
        bought("ann", "b1", "milk", 3, learned=1, event_id="third", corrects="second"),
    ]
    assert known(tmp_path, "known_events", "event_id", events, []) == ["third"]


def test_known_events__a_correction_may_move_one_to_before_what_is_learned_from(tmp_path: Path) -> None:
    shop = write_shop(
        tmp_path,
        [
            bought("ann", "b1", "milk", 3, event_id="first"),
            bought("ann", "b1", "milk", 9, learned=1, event_id="second", corrects="first"),
            bought("ann", "b1", "milk", 3, event_id="other"),
        ],
    )
    with duckdb.connect() as database:
        load_known(database, shop.events, shop.items, AT, WEEK, from_week=36)
        assert database.execute("SELECT event_id FROM known_events").fetchall() == [("other",)]


def test_known_promotions__have_begun_before_the_moment(tmp_path: Path) -> None:
    promotions = [
        promoted("milk", 4, 2, "over"),
        promoted("milk", 1, -1, "running"),
        promoted("milk", 0, -1, "from now on"),
        promoted("milk", -1, -2, "to come"),
    ]
    assert known(tmp_path, "known_promotions", "campaign_id", [], promotions) == ["over", "running"]
    assert (
        known(tmp_path, "known_promotions", "(ends_us - starts_us) // 1000000", [], promotions)
        == [WEEK_US * 2 // 1_000_000] * 2
    )


def test_build_views__shows_a_view_the_users_that_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "shoppers.sql").write_text("-- key: user_id\nSELECT user_id FROM users")
    events = [bought("ann", "b1", "milk", 1)]
    shop = write_shop(tmp_path / "shop", events)

    rows = build_shop(tmp_path / "with", events, views=("shoppers",), sql=tmp_path)
    with pytest.raises(FeatureError, match=r"shoppers\.sql is refused by DuckDB.*users"):
        build_views(("shoppers",), shop.events, shop.items, AT, WEEK, tmp_path / "out", folder=tmp_path)

    assert rows["shoppers"] == [{"user_id": "ann"}]
