"""Steps of an epoch: every event once, targets of the next moment, chances as by hand."""

from dataclasses import replace

import numpy as np

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.batches import Epochs, Moments, Step
from pipelines.retrieval.neural.config import NeuralConfig

CONFIG = NeuralConfig(length=3, batch=8, negatives=5)
ROWS = Interactions.of([[0, 1, 2, 3, 4], [5], [2, 1], []], 7)


def predictions(step: Step) -> list[tuple[int, int]]:
    """(item, predicted item) of every target."""
    pairs = []
    for part in step.parts:
        now = step.rows[part.event.ravel()[part.spot]] - 1
        pairs += list(zip(now.tolist(), (step.rows[part.target] - 1).tolist(), strict=True))
    return pairs


def epoch(rows: Interactions, config: NeuralConfig, seed: int = 1, number: int = 0) -> list[Step]:
    return list(Epochs(rows, config, seed).steps(number))


def test_steps__predict_every_event_but_the_first_of_its_row_once() -> None:
    pairs = [pair for step in epoch(ROWS, CONFIG) for pair in predictions(step)]
    assert sorted(pairs) == [(0, 1), (1, 2), (2, 1), (2, 3), (3, 4)]


def test_steps__cut_long_rows_from_their_ends() -> None:
    events = [
        [row - 1 for row in step.rows[sequence].tolist() if row]
        for step in epoch(ROWS, CONFIG)
        for part in step.parts
        for sequence in part.event
    ]
    assert sorted(events) == [[0, 1], [2, 1], [2, 3, 4], [5]]


def test_steps__never_predict_within_a_moment() -> None:
    baskets = Interactions(
        np.array([0, 4]), np.array([0, 1, 2, 3], np.int32), np.array([1.0, 1.0, 2.0, 2.0]), 4
    )
    seen = {
        pair
        for number in range(20)
        for step in epoch(baskets, CONFIG, number=number)
        for pair in predictions(step)
    }
    assert seen == {(0, 2), (0, 3), (1, 2), (1, 3)}


def test_steps__in_parts_hold_what_the_whole_holds() -> None:
    whole, parted = (
        epoch(ROWS, replace(CONFIG, batch=99)),
        epoch(ROWS, replace(CONFIG, batch=99, accumulate=3)),
    )
    assert len(whole) == len(parted) == 1
    assert len(parted[0].parts) == 3
    assert sorted(predictions(parted[0])) == sorted(predictions(whole[0]))
    assert np.isclose(sum(part.weight * len(part.spot) for part in parted[0].parts), 1)


def test_steps__depend_on_seed_and_epoch_alone() -> None:
    rows = Interactions.of([[user % 7, (user + 1) % 7, (user + 3) % 7] for user in range(30)], 7)

    def negatives(seed: int, number: int) -> list[list[int]]:
        return [step.rows[step.negative].tolist() for step in epoch(rows, CONFIG, seed, number)]

    assert negatives(1, 4) == negatives(1, 4)
    assert negatives(1, 4) != negatives(1, 5)
    assert negatives(1, 4) != negatives(2, 4)


def test_steps__draw_by_how_often_items_occur_and_say_how_likely() -> None:
    rows = Interactions.of([[0, 0, 0, 0, 0, 0, 0, 0, 1]], 4)
    config = replace(CONFIG, length=9, negatives=6000, popularity=1 / 3)
    (step,) = epoch(rows, config)
    counts = np.bincount(step.rows[step.negative] - 1, minlength=4)
    np.testing.assert_allclose(counts[:2] / 6000, [2 / 3, 1 / 3], atol=0.02)
    assert counts[2:].tolist() == [0, 0]
    found = dict(zip(step.rows[step.negative].tolist(), step.negative_log_chance.tolist(), strict=True))
    assert np.isclose(found[1], np.log(4000))
    assert np.isclose(found[2], np.log(2000))
    assert np.isclose(step.parts[0].target_log_chance[-1], np.log(2000))


def test_steps__hide_events_but_still_predict_after_them() -> None:
    steps = epoch(ROWS, replace(CONFIG, item_dropout=1.0))
    assert all(not step.rows[part.event].any() for step in steps for part in step.parts)
    assert sum(step.targets for step in steps) == 5


def test_steps__of_rows_without_a_second_moment_are_none() -> None:
    assert epoch(Interactions.of([[1], [], [3]], 5), CONFIG) == []
    assert epoch(Interactions.of([], 5), CONFIG) == []


def test_moments__are_counted_over_rows() -> None:
    moments = Moments.of(ROWS)
    assert moments.begins.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert moments.row.tolist() == [0, 0, 0, 0, 0, 1, 2, 2, -1]
