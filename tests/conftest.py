"""The stores that the same tests run on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from serving.state import ShopperState
from serving.stores import open_state
from tests.redis_under_test import RedisUnderTest

STORES = ("sqlite", "redis")


class Place(NamedTuple):
    """Where shopper state is kept."""

    url: str
    path: Path

    def open(self) -> ShopperState:
        """The store there; each is a connection of its own."""
        return open_state(self.url, self.path)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisUnderTest]:
    """One real Redis for all tests of a session; each takes a database of its own."""
    server = RedisUnderTest()
    yield server
    server.remove()


@pytest.fixture(params=STORES)
def new_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Place]:
    """Makes empty places of one kind of store."""

    def make() -> Place:
        is_redis = request.param == "redis"
        url = request.getfixturevalue("redis_server").new_url() if is_redis else ""
        return Place(url, tmp_path_factory.mktemp("state") / "shopper.db")

    return make


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    """An empty place."""
    return new_place()
