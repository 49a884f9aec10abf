"""What the endpoint served replays through the offline build to equal values, and every planted skew is found."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from pipelines.actions.fetch_champion import BUNDLE_IN_BENTO
from pipelines.actions.replay_features import NO_BUNDLE, NO_REFRESH, OLD_BUNDLE, UNREAD, replay_features
from pipelines.cli import app
from pipelines.features.shopper import CONTEXT_FEATURES, HISTORY_FEATURES
from pipelines.monitoring import causes
from pipelines.ranking.bundle import bundle_sha256
from pipelines.ranking.feature_values import FeatureValues
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release
from pipelines.settings import Settings
from pipelines.tables import StorageError, read_table, write_table
from pipelines.weeks import to_micros
from serving.served_features import read_served
from serving.sqlite_state import SqliteState
from tests.monitoring.served_shop import START, ServedShop, purchase, write_bundle
from tests.serving.tiny_bundle import IDS, write_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture
def shop(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedShop]:
    """Two weeks have landed."""
    shop = open_shop(tmp_path, bundle, monkeypatch)
    yield shop
    shop.close()


def open_shop(home: Path, bundle: Path, clock: pytest.MonkeyPatch) -> ServedShop:
    shop = ServedShop(home, bundle, clock)
    rows = [
        purchase("e1", "10", 5, "b1"), purchase("e2", "20", 5, "b1"), purchase("e3", "fuel", 4, "b1"),
        purchase("e4", "10", 200, "b2"), purchase("e5", "50", 200, "b2"), purchase("e6", "fuel", 250, "b3"),
        purchase("e7", "30", 100, "c1", user="2"), purchase("e8", "unheard-of", 120, "c2", user="2"),
    ]  # fmt: skip
    shop.land("weeks-01-02", events=rows)
    shop.hour = 336
    shop.refresh()
    return shop


def test_replay__of_landed_and_posted_purchases_is_equal(shop: ServedShop) -> None:
    shop.ask("landed")
    shop.ask("another", user="2", k=3)
    shop.ask("stranger", user="3")
    shop.hour = 340
    shop.post(
        purchase("p2", "20", 339, "o1"), purchase("p1", "10", 338, "o1"), purchase("p3", "fuel", 337, "o1")
    )
    shop.ask("with-an-order")
    shop.post(purchase("p4", "60", 340, user="3"))
    shop.ask("no-stranger-now", user="3")

    found = shop.replay()

    assert (found.comparison.equal, found.comparison.differing) == (5, 0)
    assert found.first is None
    names = set(found.comparison.features)
    assert {f"item.{name}" for name in HISTORY_FEATURES} <= names
    assert {f"shopper.{name}" for name in CONTEXT_FEATURES} <= names
    assert found.comparison.features["item.log_count"].values == 6 + 3 + 6 + 6


def test_replay__what_became_known_later_is_left_out(shop: ServedShop) -> None:
    shop.ask("before")
    shop.land("late", events=[purchase("late", "40", 100, "b9")])
    shop.ask("accepted-and-not-refreshed")
    shop.hour = 340
    shop.post(purchase("posted-later", "60", 340, "o9"))

    found = shop.replay()

    assert (found.comparison.equal, found.comparison.differing, found.left_out) == (2, 0, 1)


def test_replay__a_correction_that_landed_later_does_not_change_what_was_known(shop: ServedShop) -> None:
    shop.ask("before", user="2")
    shop.land("corrections", events=[purchase("e9", "20", 100, "c1", user="2") | {"corrects": "e7"}])
    shop.refresh()
    assert shop.ask("after", user="2") != []

    found = shop.replay()
    before, after = (row.features for row in read_served(shop.settings.served_features_file))

    assert (found.comparison.equal, found.comparison.differing) == (2, 0)
    # Eggs (30) were corrected to Bread (20).
    assert bought(before) == {"30"}
    assert bought(after) == {"20"}


def bought(features: FeatureValues) -> set[str]:
    count = features.item_values[:, features.item_names.index("item.log_count")]
    return {item for item, found in zip(features.item_ids, count, strict=True) if not np.isnan(found)}


def test_replay__reads_batches_of_an_older_contract(shop: ServedShop) -> None:
    shop.land("newer", events=[purchase("e9", "20", 300, "b9")])
    old = shop.landing.events_of("weeks-01-02")
    write_table(old, read_table(old).drop_columns(["corrects"]))
    shop.refresh()
    shop.ask()

    assert shop.replay().comparison.equal == 1


def test_replay__of_shoppers_of_whom_nothing_is_known_is_equal(shop: ServedShop) -> None:
    shop.ask(user="3")

    assert shop.replay().comparison.equal == 1


def test_replay__follows_posted_events_through_landing_and_quarantine(shop: ServedShop) -> None:
    shop.hour = 340
    shop.post(purchase("good", "40", 340, "o1"), purchase("bad", "60", 340, "o2"))
    shop.ask("posted")
    shop.land("posted-1-2", posted_through=2, events=[purchase("good", "40", 340, "o1")])
    shop.ask("landed-and-not-refreshed")
    shop.refresh()
    assert "60" not in shop.ask("quarantined", k=3)
    shop.post(purchase("next", "30", 340, "o3"))
    shop.ask("posted-since")

    found = shop.replay()

    assert (found.comparison.equal, found.comparison.differing) == (4, 0)


CODE_EDIT = ("= np.log1p(rank[ends])", "= np.log1p(rank[ends] + 1)")


def test_replay__finds_a_feature_changed_in_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = write_bundle(tmp_path / "edited", shopper=CODE_EDIT)
    shop = open_shop(tmp_path / "home", edited, monkeypatch)
    shop.ask()

    found = shop.replay()

    assert found.comparison.differing == 1
    changed = {name for name, totals in found.comparison.features.items() if totals.differing}
    assert {name for name in changed if not name.startswith("score")} == {
        "item.log_baskets_since_last",
        "type.log_baskets_since_last",
    }
    # Milk was bought in the last of the two baskets: log(1 + 0) as served, log(1 + 1) by the bundle.
    assert found.comparison.features["item.log_baskets_since_last"].largest == pytest.approx(np.log(2))
    assert list(found.comparison.causes) == [causes.CODE]


def replace_history(shop: ServedShop, **columns: np.ndarray) -> None:
    """Put another landed history of shopper 1 into the state, as a defect of the refresh would."""
    state = SqliteState(shop.settings.state_file)
    state.replace_histories([replace(state.history("1"), **columns)])
    state.close()


def test_replay__finds_a_history_that_was_cut(shop: ServedShop) -> None:
    replace_history(
        shop,
        items=np.array(["10", "50"]),
        times=np.array([to_micros(START + timedelta(hours=200))] * 2),
        baskets=np.array([0, 0], np.int32),
    )
    shop.ask("cut", k=2)

    found = shop.replay()

    assert list(found.comparison.causes) == [causes.UNKNOWN]
    assert found.first is not None
    assert found.first.request_id == "cut"
    assert found.first.history == (
        "history served: 2 rows in 1 baskets; offline: 4 rows in 2 baskets; "
        "first row that differs: item 10 of 2017-10-02T08:00:00+00:00, only offline"
    )
    # Two purchases were served of Milk's four rows: log(1 + 1) against log(1 + 2).
    assert found.comparison.features["item.log_count"].largest == pytest.approx(np.log(1.5))


def test_replay__finds_times_shifted_by_an_hour(shop: ServedShop) -> None:
    state = SqliteState(shop.settings.state_file)
    times = state.history("1").times + 3_600_000_000
    state.close()
    replace_history(shop, times=times)
    shop.ask()

    found = shop.replay()

    assert list(found.comparison.causes) == [causes.UNKNOWN]
    changed = {name for name, totals in found.comparison.features.items() if totals.differing}
    assert "shopper.log_days_since_last" in changed
    assert "item.log_count" not in changed


def test_replay__finds_a_basket_rule_that_the_endpoint_does_not_keep(
    shop: ServedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def each_line_at_its_own_moment(posted: list[tuple[str, int, str]]) -> list[tuple[int, str, str]]:
        return sorted({(at, basket, item) for item, at, basket in posted})

    monkeypatch.setattr("serving.state._baskets", each_line_at_its_own_moment)
    shop.hour = 340
    shop.post(purchase("p1", "10", 338, "o1"), purchase("p2", "20", 339, "o1"))
    shop.ask()

    found = shop.replay()

    assert list(found.comparison.causes) == [causes.UNKNOWN]
    assert found.comparison.features["shopper.log_baskets"].differing == 1


def test_replay__finds_a_basket_rule_changed_in_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = ("MIN(known_events.occurred_us) AS occurred_us", "MAX(known_events.occurred_us) AS occurred_us")
    edited = write_bundle(tmp_path / "edited", basket_lines=edit)
    shop = open_shop(tmp_path / "home", edited, monkeypatch)
    shop.ask()

    found = shop.replay()

    assert list(found.comparison.causes) == [causes.VIEW]
    # Fuel at hour 4 dates the first basket for the endpoint, its lines at hour 5 do by the bundle's own view.
    assert found.first is not None
    assert found.first.history.endswith("item 10 of 2017-10-02T08:00:00+00:00, only served")


def test_replay__of_an_order_of_which_a_part_had_landed_is_equal(shop: ServedShop) -> None:
    shop.hour = 340
    first = [
        purchase("p1", "10", 338, "o1"),
        purchase("p2", "fuel", 337, "o1"),
        purchase("p3", "40", 338, "o2"),
    ]
    shop.post(*first)
    shop.land("posted-1-3", posted_through=3, events=first)
    shop.refresh()
    shop.post(purchase("p4", "20", 339, "o1"), purchase("p5", "40", 336, "o2"))
    shop.ask()

    found = shop.replay()

    assert found.comparison.equal == 1
    (row,) = read_served(shop.settings.served_features_file)
    history = row.known.history
    assert history.items[4:].tolist() == ["40", "10", "20", "fuel"]
    assert history.baskets.tolist() == [0, 0, 1, 1, 2, 3, 3, 3]


def test_replay__names_an_order_whose_first_part_landed_another_way(shop: ServedShop) -> None:
    shop.land("file", events=[purchase("f1", "10", 338, "o1")])
    shop.refresh()
    shop.hour = 340
    shop.post(purchase("p2", "20", 339, "o1"))
    shop.ask()

    assert list(shop.replay().comparison.causes) == [causes.IN_PART]


def test_replay__names_a_catalog_that_changed_since(shop: ServedShop) -> None:
    shop.ask()
    shop.land("items-2", items=[{"item_id": "50", "title": "Tea", "recommendable": False}])

    assert list(shop.replay().comparison.causes) == [causes.CATALOG]


def test_replay__sets_aside_what_it_cannot_replay_and_says_why(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = ServedShop(tmp_path / "home", bundle, monkeypatch)
    shop.hour = 1
    shop.ask("before-any-refresh")
    shop.close()
    shop.refresh()
    shop.bundle = tmp_path / "old"
    write_tiny_bundle(shop.bundle)
    shop.ask("without-code")
    shop.close()
    shop.bundle = write_bundle(tmp_path / "gone", shopper=CODE_EDIT)
    shop.ask("unreleased")

    def unreadable(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr("serving.sqlite_state.SqliteState._read", unreadable)
    shop.ask("unread")
    shop.close()

    found = replay_features(shop.settings, [tmp_path / "old"])

    assert found.compared == 0
    assert found.set_aside == {NO_REFRESH: 1, OLD_BUNDLE: 1, NO_BUNDLE: 1, UNREAD: 1}


def test_replay__without_a_log_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"served_features.db: expected the log .*SHOPLOOP_SERVED_FEATURES_SHARE"
    ):
        replay_features(Settings(home=tmp_path))


def test_replay__finds_the_bundle_of_a_release(shop: ServedShop, bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "bento" / BUNDLE_IN_BENTO)
    digest = bundle_sha256(bundle)
    release = Release(
        "r-44-tiny", datetime.now(UTC), "run-1", "d", "t:1", str(tmp_path / "bento"), digest, "1", 44, "t", False, "d",
        "p", "l",
    )  # fmt: skip
    Ledger(shop.settings.ledger).add_release(release)
    shop.ask()
    shop.close()

    assert replay_features(shop.settings).comparison.equal == 1


def test_replay_command__says_equal_skewed_and_nothing_by_words_and_exit_code(
    shop: ServedShop, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shoploop(*arguments: str) -> Result:
        shop.close()
        return CliRunner().invoke(app, ["features", "replay", "--bundle", str(bundle), *arguments])

    monkeypatch.setattr("pipelines.settings.settings", lambda: shop.settings)
    nothing = shoploop()
    shop.ask()
    equal = shoploop()
    replace_history(shop, baskets=np.zeros(4, np.int32))
    shop.ask("skewed")
    skewed, document = shoploop(), shoploop("--json")

    assert (nothing.exit_code, nothing.stdout) == (2, "")
    assert "expected the log of served features, found none" in nothing.stderr
    assert (equal.exit_code, equal.stdout[:25]) == (0, "No skew: 1 requests with ")
    assert (skewed.exit_code, document.exit_code) == (1, 1)
    assert skewed.stdout.startswith("Skew: 1 of 2 requests were served other values than are built offline.")
    # Two baskets offline, of which the endpoint made one: log(1 + 1) against log(1 + 2).
    assert "shopper.log_baskets: 1 of 2 values differ, largest difference 0.405465" in skewed.stdout
    assert (
        "First: request skewed of shopper 1 at 2017-10-16T04:00:00+00:00, release r-44-tiny" in skewed.stdout
    )
    found = json.loads(document.stdout)
    assert found["comparison"]["features"]["shopper.log_baskets"]["differing"] == 1
    assert (found["first"]["request_id"], found["set_aside"]) == ("skewed", {})


@settings(max_examples=2, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_replay__of_any_course_of_posting_landing_and_asking_is_equal(bundle: Path, seed: int) -> None:
    """Orders arrive line by line, out of order, with lines said twice, and land in parts."""
    random = np.random.default_rng(seed)
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as clock:
        shop = open_shop(Path(home), bundle, clock)
        posted: list[dict[str, Any]] = []
        landed = asked = 0
        for number in range(60):
            shop.hour = 340 + number
            user, order = random.choice(["1", "2", "3"]), random.choice(["x", "y"])
            step = random.random()
            if step < 0.5:
                item, hour = random.choice([*IDS, "fuel", "new"]), shop.hour - int(random.integers(4))
                posted.append(purchase(f"p{number}", str(item), hour, f"{user}-{order}", str(user)))
                shop.post(posted[-1])
            elif step < 0.9:
                shop.ask(str(number), str(user))
                asked += 1
            elif len(posted) > landed:
                shop.land(f"posted-{len(posted)}", len(posted), events=posted[landed:])
                shop.refresh()
                landed = len(posted)

        found = shop.replay()

    assert found.first is None
    assert found.comparison.equal == asked
