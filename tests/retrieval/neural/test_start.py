"""A fit begins with what an earlier one learned, on a catalog that has grown and changed its order."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.checkpoint import CheckpointError
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.models import RETRIEVERS
from pipelines.retrieval.neural.start import Start

CONFIG = NeuralConfig(
    embedding_size=16, length=6, negatives=32, batch=128, learning_rate=0.01, epochs=6, averaging=0.0
)
EARLIER_IDS = np.array([f"i{number}" for number in range(12)])
IDS = np.append(EARLIER_IDS[::-1], [f"i{number}" for number in (20, 21, 22)])
"""The earlier catalog backwards, and three new items."""


def walks(items: int, back: bool = False) -> Interactions:
    """Everybody walks around the first items, by one."""
    step = -1 if back else 1
    return Interactions.of([[(n + step * k) % items for k in range(6)] for n in range(120)], items)


EARLIER, TODAY = walks(12), walks(15, back=True)


def losses(path: Path) -> list[float]:
    with np.load(path) as kept:
        return [float(loss) for loss in kept["losses"]]


def unfitted(path: Path | None, start: Start | None = None, name: str = "attention", **changes: Any) -> Any:
    retriever = RETRIEVERS[name](replace(CONFIG, **changes))
    retriever.checkpoint, retriever.start = path, start
    return retriever


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Any:
    retriever = unfitted(tmp_path_factory.mktemp("earlier") / "earlier.npz")
    retriever.fit(EARLIER, seed=3)
    return retriever


@pytest.fixture
def start(earlier: Any) -> Start:
    return Start.of(earlier.checkpoint, EARLIER_IDS, IDS)


def test_start__finds_items_by_their_ids(start: Start) -> None:
    assert start.place.tolist() == [*range(11, -1, -1), -1, -1, -1]


def test_fit__without_an_epoch_scores_known_items_as_before(earlier: Any, start: Start) -> None:
    retriever = unfitted(None, start, epochs=0)
    retriever.fit(TODAY, seed=4)
    known = start.place >= 0
    before = earlier.score(Interactions.of([[1, 2, 3], [7]], 12))
    now = retriever.score(Interactions.of([[10, 9, 8], [4]], 15))
    np.testing.assert_allclose(now[:, known], before[:, start.place[known]], rtol=1e-5, atol=1e-5)
    assert np.isfinite(retriever.score(Interactions.of([[14, 13], [12], []], 15))).all()


def test_fit__begins_lower_than_from_scratch_and_is_resumed(start: Start, tmp_path: Path) -> None:
    unfitted(tmp_path / "warm.npz", start, epochs=1).fit(TODAY, seed=4)
    unfitted(tmp_path / "cold.npz", epochs=1).fit(TODAY, seed=4)
    assert losses(tmp_path / "warm.npz")[0] < 0.9 * losses(tmp_path / "cold.npz")[0]
    resumed, whole = unfitted(tmp_path / "warm.npz", start, epochs=2), unfitted(None, start, epochs=2)
    asked = Interactions.of([[1, 2]], 15)
    resumed.fit(TODAY, seed=4)
    whole.fit(TODAY, seed=4)
    np.testing.assert_array_equal(resumed.score(asked), whole.score(asked))
    with pytest.raises(CheckpointError, match="written by a fit of another"):
        unfitted(tmp_path / "warm.npz", epochs=2).fit(TODAY, seed=4)


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        (
            "attention",
            {"embedding_size": 8},
            "embedding_size expected 8, found 16; give the checkpoint of such",
        ),
        ("attention", {"blocks": 2}, "blocks expected 2, found 1"),
        ("attention", {"length": 5}, "length expected 5, found 6"),
        ("gru", {}, "name expected gru, found attention"),
    ],
)
def test_fit__refuses_the_start_of_another_model(
    start: Start, name: str, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(CheckpointError, match=rf"earlier\.npz: {complaint}"):
        unfitted(None, start, name, **changes).fit(TODAY, seed=4)


def test_fit__refuses_places_in_another_catalog_and_what_is_no_checkpoint(
    start: Start, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="expected at least 15 items, found 12; give the places"):
        unfitted(None, Start(start.path, np.arange(15))).fit(TODAY, seed=4)
    (tmp_path / "other.npz").write_bytes(b"PK of something else")
    with pytest.raises(CheckpointError, match=r"other\.npz: no checkpoint can be read from it; give the"):
        unfitted(None, Start(tmp_path / "other.npz", start.place)).fit(TODAY, seed=4)
