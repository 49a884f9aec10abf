"""The search: better choices are found, hopeless ones end early, and the budget is kept by the clock it is given."""

import math
from pathlib import Path

import pytest

from pipelines.params import Params, TrainSequence, load_params
from pipelines.tuning import search as module
from pipelines.tuning.search import Search

PARAMS: Params = load_params(Path(__file__).parents[2] / "params.yaml")
ORIGINS = (42, 41)
FIT_SECONDS = 10.0


class Clock:
    """Time that passes only when something is fitted."""

    now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def judge_bowl(clock: Clock):  # type: ignore[no-untyped-def]
    """Best at a learning rate of .004 and a dropout of .3; the second week is a little harder."""

    def judge(params: TrainSequence, week: int) -> float:
        clock.now += FIT_SECONDS
        away = math.log(params.learning_rate / 0.004) ** 2 + 4 * (params.dropout - 0.3) ** 2
        return 0.3 - 0.05 * away - (0.01 if week == 41 else 0.0)

    return judge


def opened(journal: Path) -> Search:
    return Search(PARAMS.train_sequence, PARAMS.tune_sequence, ORIGINS, journal)


def test_search__begins_with_the_choices_of_params_yaml_and_finds_better(
    tmp_path: Path, clock: Clock
) -> None:
    search = opened(tmp_path / "trials.jsonl")
    told: list[str] = []
    search.run(judge_bowl(clock), 1200, 2, told.append)

    first = search.trials[0]
    assert first.choices["learning_rate"] == PARAMS.train_sequence.learning_rate
    assert first.choices["epochs"] == PARAMS.train_sequence.epochs
    assert search.best.number > 0
    assert sum(search.best.quality) > sum(first.quality) + 0.02
    assert 0.0025 < search.best.choices["learning_rate"] < 0.0065
    assert len(told) == len(search.trials)
    assert told[0].startswith("trial 0: learning_rate 0.007, dropout 0.4, epochs 2,")
    assert "week 42 0.2" in told[0]


def test_search__keeps_its_budget_and_leaves_time_for_the_comparison(tmp_path: Path, clock: Clock) -> None:
    began = clock.now
    search = opened(tmp_path / "trials.jsonl")
    search.run(judge_bowl(clock), 205, 2, lambda _: None)

    # Ten fits of a search of two weeks each take 200 s; two of them are left for the comparison.
    assert clock.now - began + 2 * FIT_SECONDS <= 205
    assert clock.now - began >= 160


def test_search__without_time_still_tries_one_set_of_choices_besides_todays(
    tmp_path: Path, clock: Clock
) -> None:
    search = opened(tmp_path / "trials.jsonl")
    search.run(judge_bowl(clock), 0, 2, lambda _: None)
    assert [trial.number for trial in search.trials] == [0, 1]


def test_search__ends_hopeless_trials_after_the_first_week(tmp_path: Path, clock: Clock) -> None:
    search = opened(tmp_path / "trials.jsonl")
    search.run(judge_bowl(clock), 1200, 2, lambda _: None)

    ended = [trial for trial in search.trials if len(trial.quality) == 1]
    assert ended
    assert max(trial.quality[0] for trial in ended) < search.best.quality[0]
    assert len(search.best.quality) == len(ORIGINS)


def test_search__goes_on_where_it_was_killed(tmp_path: Path, clock: Clock) -> None:
    journal = tmp_path / "trials.jsonl"

    def killed(params: TrainSequence, week: int) -> float:
        if len(opened(journal).trials) == 3:
            raise KeyboardInterrupt
        return judge_bowl(clock)(params, week)

    with pytest.raises(KeyboardInterrupt):
        opened(journal).run(killed, 1200, 2, lambda _: None)
    kept, began = opened(journal).trials, clock.now
    again = opened(journal)
    again.run(judge_bowl(clock), 200, 2, lambda _: None)

    assert len(kept) == 3
    assert again.trials[:3] == kept
    # The budget counts from the first opening.
    assert clock.now - began < 200 - 2 * FIT_SECONDS


def test_search__killed_in_its_first_trial_begins_with_todays_choices_again(
    tmp_path: Path, clock: Clock
) -> None:
    def killed(params: TrainSequence, week: int) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path / "trials.jsonl").run(killed, 200, 2, lambda _: None)
    search = opened(tmp_path / "trials.jsonl")
    search.run(judge_bowl(clock), 0, 2, lambda _: None)
    assert search.trials[0].choices["learning_rate"] == PARAMS.train_sequence.learning_rate
    assert search.trials[0].choices["dropout"] == PARAMS.train_sequence.dropout


def test_search__gives_numbers_of_the_kind_that_params_yaml_wants(tmp_path: Path, clock: Clock) -> None:
    search = opened(tmp_path / "trials.jsonl")
    search.run(judge_bowl(clock), 400, 2, lambda _: None)
    for trial in search.trials:
        chosen = search.with_choices(trial.choices)
        assert isinstance(trial.choices["epochs"], int)
        assert chosen.epochs == trial.choices["epochs"]
        assert chosen.batch == PARAMS.train_sequence.batch


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        (
            "layers",
            {"low": 1, "high": 2, "log": False},
            "search.layers: train_sequence has no number of this name",
        ),
        ("dropout", {"low": 0.2, "high": 1.2, "log": False}, "search.dropout: 1.2 is no dropout"),
        ("dropout", {"low": 0.4, "high": 0.2, "log": False}, "search.dropout: expected low < high"),
        ("weight_decay", {"low": 0.0, "high": 0.2, "log": True}, "low > 0 where log is true"),
        ("epochs", {"low": 1, "high": 2.5, "log": False}, "search.epochs: 2.5 is no epochs"),
    ],
)
def test_params__refuse_a_search_that_could_not_be_trained(
    name: str, values: dict[str, float], said: str
) -> None:
    content = PARAMS.model_dump()
    content["tune_sequence"]["search"] = {name: values}
    with pytest.raises(ValueError, match=said):
        Params.model_validate(content)
