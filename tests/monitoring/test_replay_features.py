"""What the endpoint served replays through the offline build to equal values, and every planted skew is found."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.features.shopper import CONTEXT_FEATURES, HISTORY_FEATURES
from tests.monitoring.served_shop import ServedShop, purchase, write_bundle


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
