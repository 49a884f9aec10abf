"""Data planes for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.recommender import Recommender
from tests.serving.plane_under_test import Plane, Starter, starter, stop_all
from tests.serving.tiny_bundle import write_tiny_bundle


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Start data planes of one's own."""
    started: list[Plane] = []
    yield starter(tmp_path, started)
    stop_all(started)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A ready data plane that the tests of a module share; its shop clock stands still at NOW."""
    started: list[Plane] = []
    plane = starter(tmp_path_factory.mktemp("plane"), started)()
    plane.wait()
    yield plane
    stop_all(started)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """The tiny shop behind its front door, without a process."""
    folder = tmp_path_factory.mktemp("bundle")
    write_tiny_bundle(folder)
    return Recommender(folder)
