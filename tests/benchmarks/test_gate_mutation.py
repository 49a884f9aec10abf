"""Eight cheap sabotages, really carried out on a small shop; the gates have to say what caught them."""

import sys
from pathlib import Path

import pytest

from benchmarks.gate_mutation.catalog import SABOTAGES
from benchmarks.gate_mutation.experiment import FIRST_SEED, Experiment, made_of
from benchmarks.gate_mutation.shop import HouseholdShare, Trial
from benchmarks.next_basket.inputs import data_sha256, tables_folder
from pipelines.params import load_params
from pipelines.settings import CHECKOUT, Settings
from pipelines.weeks import ShopCalendar

SMALL = {
    "train_sequence.epochs": 1,
    "train_sequence.model_size": "small",
    "train_sequence.target_weeks": 2,
    "fit_baselines.als.iterations": 2,
    "evaluate_candidate.bootstrap_samples": 200,
    "decide_promotion.bootstrap_samples": 500,
}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    folder = tmp_path_factory.mktemp("gates")
    calendar, tables = ShopCalendar.of(load_params(CHECKOUT / "params.yaml").shop), tables_folder(None)
    trial = Trial(week=9, share=0.03, overrides=SMALL)
    basis = made_of(CHECKOUT, data_sha256(tables), trial)
    source = HouseholdShare(calendar, tables, trial.share)
    settings = Settings(home=folder / "home")
    return Experiment(settings, source, calendar, trial, basis, folder / "results", lambda line: None)


@pytest.mark.parametrize(
    ("name", "verdict", "check", "said"),
    [
        ("negative_quantities", "INVALID", "validation", "quantity_in_range"),
        ("duplicated_users", "INVALID", "validation", "user_id_unique"),
        ("future_events", "INVALID", "validation", "events"),
        ("robot", "INVALID", "validation", "no shopper with more than"),
        ("baskets_of_one_moment", "FAIL", "learned_from_what_landed", "basket_lines.parquet"),
        ("weights_learned_on_holdout", "FAIL", "learned_from_what_landed", "validation_targets.parquet"),
        ("targets_of_wrong_week", "FAIL", "holdout_is_frozen", "is not the one that was frozen"),
        ("popularity_only", "FAIL", "superior_to_popularity", "does not beat popularity"),
    ],
)
def test_sabotage__is_caught_by_the_check_that_is_for_it(
    experiment: Experiment, name: str, verdict: str, check: str, said: str
) -> None:
    honest = experiment.honest(experiment.trial.week, FIRST_SEED)
    assert honest["verdict"] in ("PASS", "FAIL", "INSUFFICIENT_EVIDENCE")  # it went through to its end
    found = experiment.sabotage(SABOTAGES[name])
    assert found["verdict"] == verdict
    assert check in found["caught_by"]
    assert said in found["message"] or check != found["caught_by"][0]


def test_sabotage__that_was_done_is_not_done_again(experiment: Experiment) -> None:
    first = experiment.sabotage(SABOTAGES["duplicated_users"])
    said: list[str] = []
    again = Experiment(**{**vars(experiment), "say": said.append}).sabotage(SABOTAGES["duplicated_users"])
    assert again == first
    assert len(said) == 1
    assert "duplicated_users: done already" in said[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--only", "sunshine"], "--only sunshine: there is no such sabotage"),
        (["--share", "0"], "--share 0: expected above 0 and at most 1"),
        (["--week", "54"], "--week 54: expected 8 to 53"),
    ],
)
def test_command__refuses_bad_input_with_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    from benchmarks.gate_mutation.__main__ import main

    monkeypatch.setattr(sys, "argv", ["gate_mutation", "--out", str(tmp_path / "out"), *more])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert said in capsys.readouterr().err
