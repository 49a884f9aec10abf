"""Data planes for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from serving.recommender import Recommender
from tests.conftest import STORES
from tests.serving.plane_under_test import Plane, Starter, starter, stop_all
from tests.serving.tiny_bundle import write_tiny_bundle

on_each_store = pytest.mark.parametrize("state_url", STORES, indirect=True)
"""For tests of what lies in the store; the others run on SQLite alone."""


@pytest.fixture(scope="module")
def state_url(request: pytest.FixtureRequest) -> str:
    """Where data planes keep their shoppers."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return ""
    return str(request.getfixturevalue("redis_server").new_url())


@pytest.fixture
def start(tmp_path: Path, state_url: str) -> Iterator[Starter]:
    """Start data planes of one's own."""
    if state_url:
        redis.Redis.from_url(state_url).flushdb()
    started: list[Plane] = []
    yield starter(tmp_path, started, state_url)
    stop_all(started)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, state_url: str) -> Iterator[Plane]:
    """A ready data plane that the tests of a module share; its shop clock stands still at NOW."""
    started: list[Plane] = []
    plane = starter(tmp_path_factory.mktemp("plane"), started, state_url)()
    plane.wait()
    yield plane
    stop_all(started)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """The tiny shop behind its front door, without a process."""
    folder = tmp_path_factory.mktemp("bundle")
    write_tiny_bundle(folder)
    return Recommender(folder)
