"""The search for choices, on retrievers whose quality is a function of their config."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.tuning import Deadline, Trial, TuningError, tune

TRAIN = Interactions.of([[0, 1]], 2)


class Clock:
    """Goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    CLOCK.now = 0.0
    monkeypatch.setattr("pipelines.retrieval.tuning.monotonic", CLOCK)
    return CLOCK


@dataclass(frozen=True)
class HillConfig:
    across: int = 3
    along: float = 0.5
    kind: str = "plain"
    rounds: int = 1


class Hill:
    """Best at across 5, along .1, kind ``steep``; a fit takes ten seconds a round while its watch lets it go on."""

    name: ClassVar[str] = "hill"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "across": (1, 3, 5, 9),
        "along": (0.9, 0.5, 0.1),
        "kind": ("plain", "steep", "flat"),
    }

    def __init__(self, config: HillConfig = HillConfig()) -> None:
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Any = None) -> None:
        if self.config.across == 1:
            raise FloatingPointError("loss of batch 3 is no number")
        rounds = 0
        while rounds < 4 and not watch.is_over():
            rounds += 1
            CLOCK.now += 10
        self.config = replace(self.config, rounds=rounds)

    def score(self, histories: Interactions) -> np.ndarray:
        raise NotImplementedError


def height(hill: Any) -> float:
    config = hill.config
    kind = {"plain": 0, "steep": 2, "flat": 1}[config.kind]
    return float(kind - abs(config.across - 5) - abs(config.along - 0.1))


def search(
    seconds: float, refits: float = 0.0, told: list[Trial] | None = None, start: HillConfig = HillConfig()
):
    seen = [] if told is None else told
    deadline = Deadline(seconds, CLOCK)
    return tune(Hill(start), Hill, TRAIN, height, seed=1, deadline=deadline, refits=refits, tell=seen.append)


def test_tune__climbs_every_choice_to_the_top() -> None:
    told: list[Trial] = []
    found = search(10_000, told=told)
    assert found.best.config == HillConfig(5, 0.1, "steep", rounds=4)
    assert found.retriever.config == found.best.config
    assert not found.is_cut
    assert told == list(found.trials)
    assert found.trials[0].asked == HillConfig()
    assert len({trial.asked for trial in found.trials}) == len(found.trials)


def test_tune__begins_each_trial_with_the_choices_not_with_what_a_fit_found() -> None:
    assert {trial.asked.rounds for trial in search(10_000).trials} == {1}


def test_tune__makes_one_fit_however_short_the_time() -> None:
    found = search(0)
    assert len(found.trials) == 1
    assert found.best.config.rounds == 0


def test_tune__keeps_the_time_of_the_refits_back() -> None:
    # A fit of four rounds takes 40 s; with two refits to come a trial needs 120 s of what is left.
    found = search(200, refits=2)
    assert len(found.trials) == 3
    assert found.is_cut
    assert CLOCK.now == 120


def test_tune__ends_a_fit_that_leaves_no_time_for_its_refits() -> None:
    found = search(60, refits=2)
    assert found.best.config.rounds == 2
    assert found.best.seconds == 20


def test_tune__goes_on_after_a_fit_that_fails() -> None:
    found = search(10_000, start=HillConfig(across=1))
    assert found.trials[0].fault == "FloatingPointError: loss of batch 3 is no number"
    assert found.best.config.across == 5


def test_tune__says_why_no_fit_succeeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hill, "choices", {})
    with pytest.raises(TuningError, match="loss of batch 3 is no number"):
        search(10_000, start=HillConfig(across=1))
