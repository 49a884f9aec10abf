"""The benchmarks of training: what they compare is alike, and their reports judge the goals."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import embedding_update, pages, training_speed
from benchmarks.sequences.splits import split
from benchmarks.training_speed import OURS, PEER, Run
from benchmarks.walks import generate
from pipelines.retrieval.interactions import Interactions


def test_embedding_update__measures_both_systems_after_they_agreed() -> None:
    found = embedding_update.measure(items=50, steps=3)
    assert {name: len(times) for name, times in found.items()} == {"rows_adam": 3, "keras_adam": 3}
    assert min(min(times) for times in found.values()) > 0


def test_embedding_update__judges_the_medians_of_the_largest_table() -> None:
    measured = {
        10: {"rows_adam": [1.0], "keras_adam": [1.0]},
        1000: {"rows_adam": [2.0, 9.0, 1.0], "keras_adam": [20.0, 19.0, 90.0]},
    }
    whole = embedding_update.report(measured)
    (goal,) = whole["goals"]
    assert goal == {
        "goal": "milliseconds of keras_adam / rows_adam at 1000 items >= 10",
        "value": 10.0,
        "met": True,
    }
    assert whole["results"][2] == {
        "system": "rows_adam",
        "split": "1000 items",
        "metric": "milliseconds",
        "value": 2.0,
        "low": 1.0,
        "high": 9.0,
    }
    page = pages.render_page("embedding_update", whole)
    assert "| table | rows_adam, ms | keras_adam, ms |" in page
    assert "| 1000 items | 2 (1 to 9) | 20 (19 to 90) |" in page
    assert "- met: milliseconds of keras_adam / rows_adam at 1000 items >= 10; reached: 10" in page
    measured[1000]["rows_adam"] = [2.1]
    assert not embedding_update.report(measured)["goals"][0]["met"]


@pytest.mark.parametrize(
    ("ours", "met"),
    [
        (Run(1000, 1, 3, 0.098), [True, True]),
        (Run(999, 1, 3, 0.2), [False, True]),
        (Run(5000, 1, 3, 0.097), [True, False]),
        (Run(5000, 1, 4, 0.098), [True, True]),
    ],
)
def test_training_speed__counts_only_beside_as_good_a_model(ours: Run, met: list[bool]) -> None:
    whole = training_speed.report({OURS: ours, PEER: Run(100, 9, 3, 0.1)}, {"path": "generated walks"})
    assert [goal["met"] for goal in whole["goals"]] == met
    assert whole["resources"][1] == {
        "system": PEER,
        "seconds": 9,
        "tokens_per_second": 100,
        "epochs": 3,
        "is_cut": False,
    }


def test_training_speed__does_not_compare_with_a_peer_that_was_cut() -> None:
    runs = {OURS: Run(5000, 1, 3, 0.2), PEER: Run(100, 9, 3, 0.1, is_cut=True)}
    assert [goal["met"] for goal in training_speed.report(runs, {})["goals"]] == [True, False]


def test_training_speed__pads_the_latest_events() -> None:
    rows = Interactions.of([[4, 5, 6, 7], [0], []], 8)
    assert training_speed.padded(rows, 3).tolist() == [[6, 7, 8], [1, 0, 0], [0, 0, 0]]


def test_training_speed__generates_walks_that_mostly_follow() -> None:
    walks = generate(400, 50)
    assert walks.lengths.min() >= 4
    assert walks.lengths.max() <= 50
    same = np.diff(walks.user) == 0
    pairs = np.bincount(walks.item[:-1][same] * 50 + walks.item[1:][same], minlength=2500).reshape(50, 50)
    top = np.sort(pairs, axis=1)[:, -3:].sum() / pairs.sum()
    assert 0.75 < top < 0.9


def test_training_speed__judges_no_quality_of_a_peer_that_was_only_timed() -> None:
    parts = split(generate(12, 8))
    config = replace(training_speed.CONFIG, embedding_size=4, length=4)
    timed = training_speed.time_padded(parts, config, steps=1)
    assert timed.tokens_per_second > 0
    whole = training_speed.report({OURS: Run(5000, 1, 3, 0.2), PEER: timed}, {"path": "walks"})
    assert len(whole["goals"]) == 1
    assert f"| {PEER} | {whole['resources'][1]['tokens_per_second']:,} | not judged |" in pages.render_page(
        "training_speed", whole
    )
