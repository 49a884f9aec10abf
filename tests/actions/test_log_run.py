"""What a run leaves in MLflow."""

from pathlib import Path

from pipelines.actions.log_run import read_history
from pipelines.registry import HistoryPoint
from pipelines.stages import train_sequence


def test_read_history__keeps_the_fit_for_validation_and_the_refit_apart(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    train_sequence._write_history(
        {1: {"validation_loss": 3.0, "holdout_loss": 4.0}, 2: {"validation_loss": 2.5}}
    )

    assert read_history(tmp_path) == [
        HistoryPoint("training.validation_loss", 3.0, 1),
        HistoryPoint("training.holdout_loss", 4.0, 1),
        HistoryPoint("training.validation_loss", 2.5, 2),
    ]


def test_read_history__of_a_run_without_one_is_empty(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []
