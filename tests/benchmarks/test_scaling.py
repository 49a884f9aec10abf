"""The scaling study: what is held out, what a loss is, and what becomes of fits that do not end in time."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import pages
from benchmarks.scaling import __main__ as scaling
from benchmarks.scaling import one_fit
from benchmarks.scaling.report import draw, report
from benchmarks.sequences.splits import Questions, split
from benchmarks.walks import generate
from pipelines.retrieval.interactions import Interactions


class Told:
    """Scores that are told, a row for each item that a history ends with."""

    def __init__(self, rows: list[list[float]]) -> None:
        self.rows = np.array(rows, np.float32)

    def score(self, histories: Interactions) -> np.ndarray:
        return self.rows[histories.from_end(1)]


def fitted(loss: float, events: int = 100) -> dict[str, Any]:
    counts = {"users": 10, "events": events, "table_parameters": 2**18, "encoder_parameters": 2**18}
    return {
        **counts,
        "loss": loss,
        "ndcg_at_10": 0.1,
        "epochs": 3,
        "seconds": 1.0,
        "peak_memory_mib": 500.0,
    }


def test_held_out_loss__is_the_mean_over_the_whole_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told([[math.log(1), math.log(2), math.log(5)], [1000.0, 1000.0, 1000.0], [0.0, 0.0, 0.0]])
    asked = Questions(Interactions.of([[0], [2, 1], [0]], 3), np.array([2, 0, 1]))
    expected = -(math.log(5 / 8) + math.log(1 / 3) + math.log(2 / 8)) / 3
    assert one_fit.held_out_loss(told, asked) == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr(one_fit, "CELLS", 3)
    assert one_fit.held_out_loss(told, asked) == pytest.approx(expected, abs=1e-6)


def test_some_users__are_a_part_of_a_larger_share() -> None:
    walks = Interactions.of([[user] for user in range(16)], 16)
    quarter, half = (set(one_fit.some_users(walks, share).item) for share in (0.25, 0.5))
    assert (len(quarter), len(half)) == (4, 8)
    assert quarter < half
    assert one_fit.some_users(walks, 1.0).item.tolist() == walks.item.tolist()


def test_halves__of_the_validation_share_no_user() -> None:
    walks = Interactions.of([[user, user, user] for user in range(5)], 5)
    choosing, judging = one_fit.halves(split(walks))
    assert choosing.target.tolist() == [0, 2, 4]
    assert judging.target.tolist() == [1, 3]


def test_fit__learns_and_counts_what_it_is_made_of(tmp_path: Path) -> None:
    walks = generate(200, 20)
    one_fit.save(tmp_path / "walks.npz", walks)
    config = {"embedding_size": 8, "epochs": 8, "length": 8, "embedding_dropout": 0.0, "batch": 64}
    found = one_fit.fit(one_fit.load(tmp_path / "walks.npz"), config, 0.5)
    assert found["users"] == 100
    assert found["table_parameters"] == 21 * 8
    # Two norms and a last one, mixed, out, wide and narrow, and a bias for each of the 8 distances.
    kernels = 8 * 24 + 24 + 8 * 8 + 8 + 8 * 32 + 32 + 32 * 8 + 8
    assert kernels + 8 < found["encoder_parameters"] <= kernels + 8 + 3 * 16
    assert found["loss"] < scaling.popularity_loss(walks)
    assert found["peak_memory_mib"] > 50


def test_study__leaves_out_what_does_not_end_in_time() -> None:
    asked = []

    def fit(config: dict[str, Any], share: float) -> dict[str, Any] | None:
        asked.append((config["embedding_size"], share))
        return fitted(4.0) if config["embedding_size"] < 256 and share > 0.2 else None

    by_size, by_data, cut = scaling.study(fit, ["large", "tiny", "base"])
    assert asked == [(64, 0.125), (64, 0.25), (64, 0.5), (64, 1.0), (16, 1.0), (256, 1.0)]
    assert list(by_size) == ["tiny", "base"]
    assert list(by_data) == ["1/4 of users", "1/2 of users", "base"]
    assert cut == ["1/8 of users: did not end in time", "large: did not end in time"]


def test_fit_apart__is_nothing_when_the_time_is_over(tmp_path: Path) -> None:
    assert scaling.fit_apart(tmp_path / "missing.npz", {}, 1.0, 0.0) is None
    assert scaling.fit_apart(tmp_path / "missing.npz", {}, 1.0, 0.01) is None


def test_report__judges_and_is_published(tmp_path: Path) -> None:
    by_size = {"tiny": fitted(4.5), "base": fitted(4.0, 800)}
    by_data = {"1/2 of users": fitted(4.2, 400), "base": fitted(4.0, 800)}
    data = {"path": "generated walks", "users": 10, "items": 5, "events": 900}
    whole = report(by_size, by_data, 5.0, [], data)
    assert [goal["met"] for goal in whole["goals"]] == [True, True, True]
    assert whole["resources"][-1]["parameters_and_moments_mib"] == 6.0
    draw(whole, tmp_path / "scaling.png")
    page = pages.render_page("scaling", whole)
    assert "| base | 4.000 | 0.1000 | 10 |" in page
    assert "left out" not in page.split("## Goals")[1]

    by_data["base"] = fitted(4.3, 800)
    whole = report(by_size, by_data, 4.4, ["large: did not end in time"], data)
    assert [goal["met"] for goal in whole["goals"]] == [False, False, False]
    assert "- large: did not end in time" in pages.render_page("scaling", whole)
    draw(report({}, {}, 5.0, [], data), tmp_path / "none.png")
