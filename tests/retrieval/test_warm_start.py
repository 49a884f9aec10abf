"""The sequence model begins with the champion: known things keep what was learned, new ones are safe, nothing leaks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.features.purchases import Purchases
from pipelines.ranking.bundle import write_arrays
from pipelines.retrieval.fitting.sequence_config import SequenceConfig
from pipelines.retrieval.fitting.sequence_training import Arrays, fit_sequence, read_examples
from pipelines.retrieval.fitting.warm_start import WarmStart, WarmStartError, read_warm_start
from pipelines.retrieval.sequence import SequenceScorer
from pipelines.stages import train_sequence
from tests.retrieval.small_shop import ITEMS, SMALL, WEEKS, habits

KNOWN = np.flatnonzero(np.arange(ITEMS) % 6 != 5)
"""Items that the champion's catalog had."""
CODES = np.array([0, 3, 1, 4, 2])
"""Its codes of today's types."""


def narrowed(purchases: Purchases, items: np.ndarray) -> Purchases:
    """The same shop when it had some of the items only, and other codes of types."""
    rows = np.isin(purchases.item, items)
    columns = {name: getattr(purchases, name)[rows] for name in ("shopper", "item", "basket", "day", "week")}
    columns["item"] = np.searchsorted(items, columns["item"]).astype(np.int32)
    types = CODES[purchases.item_type[items]].astype(np.int32)
    return replace(
        purchases,
        **columns,
        item_ids=purchases.item_ids[items],
        item_type=types,
        reach=purchases.reach[:, items],
    )


def left(folder: Path, arrays: Arrays, ids: np.ndarray, through: int = WEEKS - 2) -> Path:
    """What fetching the champion leaves for training."""
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(folder / "sequence.npz", arrays)
    (folder / "items.json").write_text(json.dumps({"ids": ids.tolist()}))
    (folder / "start.json").write_text(json.dumps({"fitted_through_week": through}))
    return folder


def fitted(
    purchases: Purchases, start: WarmStart | None = None, config: SequenceConfig = SMALL
) -> tuple[Arrays, list[float]]:
    losses: list[float] = []
    arrays = fit_sequence(
        read_examples(purchases, config), config, None, lambda _, loss: losses.append(loss), start
    )
    return arrays, losses


def scores(arrays: Arrays, purchases: Purchases, shopper: int) -> np.ndarray:
    mine = purchases.shopper == shopper
    scorer = SequenceScorer(arrays, np.arange(len(purchases.item_ids)))
    return scorer.score(purchases.item[mine].astype(np.int64), -purchases.day[mine], purchases.basket[mine])


@pytest.fixture(scope="module")
def champion() -> tuple[Purchases, Arrays]:
    earlier = narrowed(habits(), KNOWN)
    return earlier, fitted(earlier)[0]


@pytest.fixture
def folder(champion: tuple[Purchases, Arrays], tmp_path: Path) -> Path:
    return left(tmp_path / "data/inputs/warm_start", champion[1], champion[0].item_ids)


def test_fit_sequence__without_an_epoch_scores_known_items_as_the_champion(
    champion: tuple[Purchases, Arrays], folder: Path
) -> None:
    earlier, arrays = champion
    today = habits()
    bought = np.isin(today.item, KNOWN)
    columns = {name: getattr(today, name)[bought] for name in ("shopper", "item", "basket", "day", "week")}
    today = replace(today, **columns)  # the catalog has grown, but nothing new was bought
    start = read_warm_start(folder, today.item_ids, WEEKS)
    now, losses = fitted(today, start, replace(SMALL, epochs=0))
    assert losses == []
    for shopper in (0, 17, 63):
        np.testing.assert_allclose(
            scores(now, today, shopper)[KNOWN], scores(arrays, earlier, shopper), rtol=1e-4, atol=1e-4
        )


def test_fit_sequence__with_a_grown_catalog_begins_lower_than_from_scratch(
    champion: tuple[Purchases, Arrays], folder: Path
) -> None:
    today = habits()
    warm, losses = fitted(today, read_warm_start(folder, today.item_ids, WEEKS))
    assert losses[0] < fitted(today, None, replace(SMALL, epochs=1))[1][0]
    assert losses[-1] < losses[0]
    assert all(np.isfinite(scores(warm, today, shopper)).all() for shopper in range(80))
    only_new = replace(today, item=np.full_like(today.item, 5))
    assert np.isfinite(scores(warm, only_new, 3)).all()  # a new shopper with a new item


def test_warm_start__gives_new_items_the_shared_row_and_new_types_the_mean(
    champion: tuple[Purchases, Arrays], folder: Path
) -> None:
    arrays, kinds = champion[1], habits().item_type.copy()
    kinds[[5, 11]] = 5  # a type that the champion never met
    today = replace(habits(), item_type=kinds)
    start = read_warm_start(folder, today.item_ids, WEEKS)
    vocabulary = read_examples(today, SMALL).vocabulary
    begun, _ = fitted(today, start, replace(SMALL, epochs=0))
    rows, earlier_rows = vocabulary.row, arrays["item_row"]
    assert (rows > 0).all()
    new = np.setdiff1d(np.arange(ITEMS), KNOWN)
    np.testing.assert_array_equal(
        begun["item_embedding"][rows[KNOWN]], arrays["item_embedding"][earlier_rows]
    )
    np.testing.assert_array_equal(
        begun["item_embedding"][rows[new]], np.repeat(arrays["item_embedding"][:1], len(new), axis=0)
    )
    np.testing.assert_array_equal(begun["type_embedding"][:5], arrays["type_embedding"][CODES])
    np.testing.assert_allclose(begun["type_embedding"][5], arrays["type_embedding"].mean(axis=0), rtol=1e-6)


def test_read_warm_start__refuses_a_champion_that_has_seen_what_is_foretold(
    champion: tuple[Purchases, Arrays], tmp_path: Path
) -> None:
    ids, arrays = champion[0].item_ids, champion[1]
    seen = left(tmp_path / "seen", arrays, ids, through=14)
    with pytest.raises(WarmStartError, match="it has seen week 14, and week 14 is to be foretold"):
        read_warm_start(seen, ids, 14)
    assert read_warm_start(seen, ids, 15).place.tolist() == list(range(len(ids)))


def test_train_sequence__goes_on_from_scratch_and_says_why(
    champion: tuple[Purchases, Arrays],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    ids, wide = habits().item_ids, replace(SMALL, width=16, epochs=1)
    assert train_sequence.find_start(ids, WEEKS - 2) is None
    assert "from scratch, not from the champion: it has seen week 12" in capsys.readouterr().out
    start = train_sequence.find_start(ids, WEEKS)
    examples = read_examples(habits(), wide)
    told: list[float] = []
    arrays = train_sequence.fit(
        examples, wide, tmp_path / "kept.npz", lambda _, loss: told.append(loss), start
    )
    assert "its item_embedding has the shape" in capsys.readouterr().out
    assert arrays["item_embedding"].shape[1] == 16
    assert len(told) == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda folder: (folder / "start.json").unlink(), "no champion was fetched"),
        (lambda folder: (folder / "sequence.npz").write_bytes(b"PK"), "cannot be read"),
        (lambda folder: (folder / "items.json").write_text("[]"), "cannot be read"),
        (
            lambda folder: (folder / "items.json").write_text('{"ids": ["a"]}'),
            "item_row does not fit its 1 items",
        ),
    ],
)
def test_read_warm_start__of_what_cannot_be_read_says_so(folder: Path, change, complaint: str) -> None:
    change(folder)
    with pytest.raises(WarmStartError, match=complaint):
        read_warm_start(folder, habits().item_ids, WEEKS)


def test_fit_sequence__refuses_a_champion_of_other_features(
    champion: tuple[Purchases, Arrays], folder: Path
) -> None:
    today = habits()
    start = read_warm_start(folder, today.item_ids, WEEKS)
    fewer = {name: value for name, value in start.arrays.items() if name != "copy_wide"}
    with pytest.raises(WarmStartError, match="it has no copy_wide"):
        fitted(today, replace(start, arrays=fewer))
    shorter = dict(start.arrays) | {"context_shift": start.arrays["context_shift"][1:]}
    with pytest.raises(WarmStartError, match="its context_shift has the shape"):
        fitted(today, replace(start, arrays=shorter))
