"""Stage: train the sequence recommender, once for the validation moment and again for the holdout moment.

With ``warm_start`` it begins with the champion that ``shoploop fetch`` brought, for both moments or for none: the
weights of the blend are learned on the first model and put on the second. A champion that has seen the week that the
first one foretells, or of another size, is not used, and the log says so.

Progress and checkpoints are kept outside the outputs, in ``run/``: DVC clears outputs when a stage is
tried again, and a killed training goes on from its last epoch.
"""

import csv
import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.folds import FOLDS, read_folds
from pipelines.params import load_params
from pipelines.ranking.bundle import file_sha256, write_arrays
from pipelines.retrieval.fitting.reading import read_purchases
from pipelines.retrieval.fitting.sequence_config import SequenceConfig
from pipelines.retrieval.fitting.sequence_training import (
    Arrays,
    Examples,
    Progress,
    fit_sequence,
    prepare_tensorflow,
    read_examples,
)
from pipelines.retrieval.fitting.warm_start import WarmStart, WarmStartError, read_warm_start
from pipelines.weeks import ShopCalendar

VALIDATED = Path("data/validated")
WARM_START = Path("data/inputs/warm_start")
CODE = (Path("pipelines/features"), Path("pipelines/retrieval"))
PROGRESS = Path("run/training.json")
CHECKPOINTS = Path("run/checkpoints")


def main() -> None:
    """Train both folds in the workspace that is the current folder."""
    everything = load_params()
    params, calendar = everything.train_sequence, ShopCalendar.of(everything.shop)
    config = SequenceConfig.of(params)
    prepare_tensorflow(config.seed, params.threads)
    losses: dict[int, dict[str, float]] = {}
    folds = read_folds()
    for number, (fold, moment) in enumerate(folds.items(), start=1):
        features = Path("data/features") / fold
        purchases = read_purchases(features, VALIDATED, calendar, moment.at_us, moment.week)
        examples = read_examples(purchases, config)
        start = None
        if params.warm_start:
            start = find_start(purchases.item_ids, min(moment.week for moment in folds.values()))

        def tell(epoch: int, loss: float, fold: str = fold, number: int = number) -> None:
            losses.setdefault(epoch, {})[f"{fold}_loss"] = round(loss, 6)
            _tell({"fit": f"{number} of {len(FOLDS)}", "epoch": f"{epoch} of {config.epochs}", "loss": loss})

        checkpoint = CHECKPOINTS / f"{fold}-{_identity(config, features, params.threads)}.npz"
        _tell({"fit": f"{number} of {len(FOLDS)}", "epoch": f"0 of {config.epochs}"})
        out = Path("models/sequence") / fold
        out.mkdir(parents=True, exist_ok=True)
        write_arrays(out / "sequence.npz", fit(examples, config, checkpoint, tell, start))
    _write_history(losses)
    shutil.rmtree(CHECKPOINTS, ignore_errors=True)


def find_start(item_ids: NDArray[np.str_], first_week: int) -> WarmStart | None:
    """The champion to begin with, None when there is none that may be used; ``first_week`` is foretold first."""
    try:
        return read_warm_start(WARM_START, item_ids, first_week)
    except WarmStartError as error:
        print(f"trained from scratch, not from the champion: {error}", flush=True)
        return None


def fit(
    examples: Examples, config: SequenceConfig, checkpoint: Path, tell: Progress, start: WarmStart | None
) -> Arrays:
    """Train from the start, or from scratch where it does not fit the model of today."""
    try:
        return fit_sequence(examples, config, checkpoint, tell, start)
    except WarmStartError as error:
        print(f"trained from scratch, not from the champion: {error}", flush=True)
        return fit_sequence(examples, config, checkpoint, tell)


def _identity(config: SequenceConfig, features: Path, threads: int) -> str:
    """A checkpoint is only resumed by a training of the same data, choices, code and start."""
    code = sorted(file for folder in CODE for file in folder.rglob("*.py"))
    reference = [VALIDATED / "items.parquet", VALIDATED / "placements.parquet"]
    files = [features / "basket_lines.parquet", *reference, *code, *sorted(WARM_START.glob("*"))]
    words = json.dumps([asdict(config), threads, [file_sha256(file) for file in files]])
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _tell(state: dict[str, str | float]) -> None:
    PROGRESS.parent.mkdir(exist_ok=True)
    partial = PROGRESS.with_suffix(".partial")
    partial.write_text(json.dumps(state))
    partial.replace(PROGRESS)
    print(", ".join(f"{name} {value}" for name, value in state.items()), flush=True)


def _write_history(losses: dict[int, dict[str, float]]) -> None:
    """One row an epoch, one column a fold: DVC plots and MLflow keep them apart."""
    path = Path("reports/training_history.csv")
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        columns = ["epoch", *(f"{fold}_loss" for fold in FOLDS)]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({"epoch": epoch, **row} for epoch, row in sorted(losses.items()))


if __name__ == "__main__":
    main()
