"""The log of served features: who is in it, what it keeps, and that it never stands in a shopper's way."""

import asyncio
import os
import sqlite3
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipelines.ranking.feature_values import NOTHING, FeatureValues
from pipelines.releases.rehearsal import set_clock
from serving.environment import Environment, read_environment
from serving.plane import DataPlane
from serving.served_features import ServedFeatureLog, ServedFeatures, read_served
from serving.sqlite_state import SqliteState
from serving.state import Known
from tests.serving.tiny_bundle import NOW, tea_drinker, write_tiny_bundle

FEATURES = FeatureValues(
    ("50", "40"),
    ("score", "item.log_count"),
    np.array([[2.2, 0.5], [1.3, np.nan]]),
    ("shopper.log_items",),
    np.ones(1),
)


def served(request_id: str, features: FeatureValues = FEATURES) -> ServedFeatures:
    known = Known(tea_drinker("1"), refresh=3, posted_through=17)
    return ServedFeatures(request_id, NOW, "r-44-tiny", "champion", "ab" * 32, "blend", known, features)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "served_features.db"


def test_served_features__are_read_as_they_were_logged(path: Path) -> None:
    log = ServedFeatureLog(path, share=1, mib=1)
    log.add(served("a"))
    log.add(served("b", NOTHING))
    log.close()

    first, second = read_served(path)

    assert (first.request_id, first.asked_at, first.release, first.variant) == (
        "a",
        NOW,
        "r-44-tiny",
        "champion",
    )
    assert (first.bundle_sha256, first.source) == ("ab" * 32, "blend")
    assert (first.known.refresh, first.known.posted_through, first.known.was_read) == (3, 17, True)
    for column in ("user_id", "items", "times", "baskets"):
        found, expected = (getattr(history, column) for history in (first.known.history, tea_drinker("1")))
        assert list(found) == list(expected)
    assert first.features.item_ids == FEATURES.item_ids
    assert (first.features.item_names, first.features.shopper_names) == (
        FEATURES.item_names,
        ("shopper.log_items",),
    )
    np.testing.assert_array_equal(first.features.item_values, FEATURES.item_values)
    assert second.features.item_values.shape == (0, 0)
    assert log.lost == 0


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.2, 1900, 2100), (1.0, 10_000, 10_000)])
def test_wants__chooses_the_share_by_request_id_alone(path: Path, share: float, low: int, high: int) -> None:
    one, other = ServedFeatureLog(path, share, 1), ServedFeatureLog(path, share, 1)
    ids = [f"order-{number}" for number in range(10_000)]
    chosen = [name for name in ids if one.wants(name)]
    # Of 10,000 chosen at .2 the standard deviation is 40.
    assert low <= len(chosen) <= high
    assert chosen == [name for name in ids if other.wants(name)]
    one.close()
    other.close()


def test_served_features__the_oldest_leave_a_log_that_is_full(path: Path) -> None:
    log = ServedFeatureLog(path, share=1, mib=1)
    random = np.random.default_rng(0)
    wide = FeatureValues(
        ("50",), tuple(f"f{n}" for n in range(2000)), random.random((1, 2000)), (), np.zeros(0)
    )
    for number in range(400):  # of 16 kB each, so 6 MB in all
        log.add(served(str(number), wide))
    log.close()

    kept = [row.request_id for row in read_served(path)]

    assert path.stat().st_size <= 1.1 * 2**20
    assert kept == [str(number) for number in range(400 - len(kept), 400)]
    assert len(kept) > 40
    assert log.lost == 0


def test_served_features__a_full_disk_loses_rows_and_counts_them(path: Path) -> None:
    log = ServedFeatureLog(path, share=1, mib=64)
    log._writer._connection.execute("PRAGMA max_page_count = 8")  # a disk with room for eight pages
    for number in range(20):
        log.add(
            served(str(number), FeatureValues(("50",), ("f",), np.ones((1, 1)), (), np.random.random(1000)))
        )
        log._writer.submit(served(f"waits-{number}")).exception(timeout=30)
    log.close()

    assert log.lost > 10


def test_served_features__more_than_may_wait_is_lost_and_counted(path: Path) -> None:
    log = ServedFeatureLog(path, share=1, mib=64)
    for number in range(2000):
        log.add(served(str(number)))
    log.close()

    assert log.lost + len(list(read_served(path))) == 2000
    assert log.lost > 0


def plane_of(folder: Path, **environment: object) -> DataPlane:
    write_tiny_bundle(folder / "bundle")
    state = SqliteState(folder / "shopper.db")
    state.replace_histories([tea_drinker()])
    state.close()
    set_clock(folder, NOW)
    places = {"state_file": "shopper.db", "bundle": "bundle", "clock_file": "clock.json"}
    given = {name: folder / file for name, file in places.items()} | environment
    return DataPlane(msgspec.convert(given, Environment))


def ask(plane: DataPlane, request_id: str, user_id: str = "1") -> None:
    asyncio.run(plane.recommendations(msgspec.json.encode({"user_id": user_id, "k": 2}), request_id))


def test_data_plane__logs_what_the_answer_was_computed_from(tmp_path: Path) -> None:
    plane = plane_of(tmp_path, served_features_share=1.0, release_id="r-44-tiny")
    ask(plane, "a")
    ask(plane, "b", user_id="nobody")
    asyncio.run(plane.similar_items(b'{"item_id": "10"}', "c"))
    plane.close()

    known, unknown = read_served(tmp_path / "served_features.db")

    # Tea: popularity .2, decayed purchases .9 + .81; Apples: .4 and .81, see tiny_bundle.
    assert known.features.item_ids == ("50", "40")
    assert known.features.item_names == ("score", "score.personal_frequency_decayed", "score.popularity")
    expected = [[2.2, 1.71, 0.2], [0.4 + 2 * 0.81 / 1.71, 0.81, 0.4]]
    np.testing.assert_allclose(known.features.item_values, expected, rtol=1e-5)
    assert known.known.history.items.tolist() == ["40", "50", "50"]
    assert (unknown.source, unknown.features.item_names) == ("popularity", ())
    assert {known.bundle_sha256, unknown.bundle_sha256} == {plane._model().sha256}


def test_data_plane__without_a_share_logs_nothing(tmp_path: Path) -> None:
    plane = plane_of(tmp_path, served_features_share=0.0)
    ask(plane, "a")
    plane.close()

    assert list(read_served(tmp_path / "served_features.db")) == []


def test_data_plane__answers_when_the_log_cannot_be_written(tmp_path: Path) -> None:
    plane = plane_of(tmp_path, served_features_share=1.0)
    with sqlite3.connect(tmp_path / "served_features.db") as database:
        database.execute("DROP TABLE served_features")
    ask(plane, "a")
    plane.close()

    assert b"shoploop_served_features_lost 1.0" in asyncio.run(plane.exposition(b"", ""))


@pytest.mark.parametrize(
    ("name", "value"), [("SHARE", "1.5"), ("SHARE", "-1"), ("SHARE", "some"), ("MIB", "0")]
)
def test_environment__refuses_a_share_or_size_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setitem(os.environ, f"SHOPLOOP_SERVED_FEATURES_{name}", value)
    with pytest.raises(msgspec.ValidationError, match=f"served_features_{name.lower()}"):
        read_environment()
