"""A checkpoint is resumed by a training of the same data, choices and code, and by no other."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.params import load_params
from pipelines.retrieval.fitting.sequence_config import SequenceConfig
from pipelines.stages.train_sequence import VALIDATED, WARM_START, _identity

FEATURES = Path("data/features/holdout")
CONFIG = SequenceConfig.of(load_params(Path(__file__).parents[2] / "params.yaml").train_sequence)
FILES = (
    FEATURES / "basket_lines.parquet",
    VALIDATED / "items.parquet",
    VALIDATED / "placements.parquet",
    WARM_START / "sequence.npz",
    Path("pipelines/retrieval/fitting/sequence_model.py"),
)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for file in FILES:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("as it was")
    return tmp_path


@pytest.mark.parametrize("file", FILES, ids=str)
def test_identity__changes_with_data_catalog_code_and_start(file: Path) -> None:
    before = _identity(CONFIG, FEATURES, 2)
    assert _identity(CONFIG, FEATURES, 2) == before
    file.write_text("edited")
    assert _identity(CONFIG, FEATURES, 2) != before


def test_identity__changes_with_the_choices() -> None:
    before = _identity(CONFIG, FEATURES, 2)
    assert _identity(CONFIG, FEATURES, 1) != before
    assert _identity(replace(CONFIG, seed=CONFIG.seed + 1), FEATURES, 2) != before
