"""Search for better choices of the sequence model, and compare the best with today's on a week not searched on."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from pipelines.evaluation.bootstrap import Interval, paired_interval
from pipelines.evaluation.folds import read_folds
from pipelines.params import ParamsError, TrainSequence, load_params
from pipelines.registry import Registry
from pipelines.retrieval.fitting.reading import read_purchases
from pipelines.retrieval.fitting.sequence_config import SequenceConfig
from pipelines.retrieval.fitting.sequence_training import FIRST_TARGET_WEEK, TrainingError, prepare_tensorflow
from pipelines.run_facts import write_json, write_result
from pipelines.tuning.rolling_origin import ndcg_of_week
from pipelines.tuning.search import Search, words
from pipelines.weeks import ShopCalendar
from pipelines.workspace import RUN_FOLDER

VALIDATED = Path("data/validated")
TRIALS = "trials.jsonl"
EXPERIMENT = "tune_sequence"
SAMPLES = 2000
COMPARED = 2
"""Fits after the search: of the best choices and of today's."""


@dataclass(frozen=True)
class Comparison:
    """The best choices of a search against those of ``params.yaml``, on a week that the search did not see.

    Attributes:
        week: That week.
        households: That bought in it and before.
        today: NDCG@10 of the choices of ``params.yaml``.
        difference: Of the best choices to it, paired by household.
    """

    week: int
    households: int
    today: float
    difference: Interval

    @property
    def is_better(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.difference.low > 0


def tune_sequence(
    registry: Registry, workspace: Path, minutes: float, tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """Search within the budget; the result is kept in the run and, trial by trial, in MLflow.

    Args:
        registry: Where the trials go.
        workspace: With the outputs of ``build_features``.
        minutes: The budget, the comparison at the end included.
        tell: Told each trial.

    Returns:
        ``note`` in words, ``choices`` of the best trial, ``is_better``, and the figures of the comparison.

    Raises:
        ParamsError: There are too few weeks for so many origins.
    """
    params = load_params(workspace / "params.yaml")
    moment = read_folds(workspace / "data/split/split.json")["holdout"]
    purchases = read_purchases(
        workspace / "data/features/holdout",
        workspace / VALIDATED,
        ShopCalendar.of(params.shop),
        moment.at_us,
        moment.week,
    )
    # The last week before the decision is for the comparison.
    origins = [moment.week - 2 - back for back in range(params.tune_sequence.origins)]
    if origins[-1] < int(purchases.week.min()) + FIRST_TARGET_WEEK:
        raise ParamsError(
            f"params.yaml: tune_sequence.origins: {len(origins)} reach back to week {origins[-1]}, which has fewer "
            f"than {FIRST_TARGET_WEEK} weeks before it to learn from: land more weeks or lower it"
        )

    def judge(chosen: TrainSequence, week: int) -> NDArray[np.float64]:
        return ndcg_of_week(purchases, SequenceConfig.of(chosen), week)

    def mean(chosen: TrainSequence, week: int) -> float:
        _show(workspace, search)
        try:
            return float(judge(chosen, week).mean())
        except TrainingError as error:
            tell(f"week {week}: {error}")
            return 0.0

    prepare_tensorflow(params.train_sequence.seed, params.train_sequence.threads)
    search = Search(params.train_sequence, params.tune_sequence, origins, workspace / RUN_FOLDER / TRIALS)
    search.run(mean, minutes * 60, COMPARED, tell)
    compared = None
    if search.best.number:
        unseen = moment.week - 1
        tell(f"comparing trial {search.best.number} with the choices of params.yaml on week {unseen}")
        today = judge(params.train_sequence, unseen)
        found = judge(search.with_choices(search.best.choices), unseen)
        interval = paired_interval(
            found, today, samples=SAMPLES, confidence=0.95, seed=params.tune_sequence.seed
        )
        compared = Comparison(unseen, len(today), float(today.mean()), interval)
    result = _result(search, compared)
    write_result(workspace, "tune_sequence", result)
    _log(registry, workspace, search, result)
    return result


def _show(workspace: Path, search: Search) -> None:
    """For who watches: how many trials there were and what the best is worth."""
    done = search.trials
    best = {"best": f"{sum(search.best.quality) / len(search.best.quality):.4f}"} if done else {}
    write_json(workspace / RUN_FOLDER / "training.json", {"trials": len(done)} | best)


def _result(search: Search, compared: Comparison | None) -> dict[str, Any]:
    return {
        "note": _note(search, compared),
        "trials": len(search.trials),
        "best_trial": search.best.number,
        "choices": dict(search.best.choices),
        "is_better": compared is not None and compared.is_better,
        "comparison": asdict(compared) if compared else None,
    }


def _note(search: Search, compared: Comparison | None) -> str:
    """What to do, in words that fit into Airflow's note of a run."""
    tried = f"{len(search.trials)} trials on weeks {', '.join(map(str, search.origins))}; "
    if compared is None:
        return f"{tried}none was better than params.yaml: keep it"
    difference = compared.difference
    figures = (
        f"on week {compared.week}, which the search did not see, {compared.households} households: NDCG@10 "
        f"{compared.today + difference.mean:.4f} against {compared.today:.4f} of params.yaml, {difference.mean:+.4f} "
        f"(95 % interval {difference.low:+.4f} to {difference.high:+.4f})"
    )
    best = f"trial {search.best.number} is best ({words(search.best.choices)}); "
    if not compared.is_better:
        return f"{tried}{best}{figures}: that may be chance, keep params.yaml"
    lines = yaml.safe_dump(dict(search.best.choices), sort_keys=False, indent=2).rstrip()
    return f"{tried}{best}{figures}. Put this under train_sequence in params.yaml and train:\n{lines}"


def _log(registry: Registry, workspace: Path, search: Search, result: dict[str, Any]) -> None:
    run = registry.open_run(workspace.name, EXPERIMENT)
    registry.tag(
        run, {"is_better": str(result["is_better"]).lower(), "best_trial": str(result["best_trial"])}
    )
    registry.log(run, result["choices"], _figures(result["comparison"] or {}), [])
    for trial in search.trials:
        part = registry.open_run(f"{workspace.name}-{trial.number}", EXPERIMENT, parent=run)
        by_week = dict(zip(search.origins, trial.quality, strict=False))
        figures = {f"ndcg_at_10.week_{week}": value for week, value in by_week.items()}
        if len(by_week) == len(search.origins):
            figures["ndcg_at_10"] = sum(by_week.values()) / len(by_week)
        registry.log(part, trial.choices, figures, [])
        registry.finish(part)
    registry.attach(run, workspace / RUN_FOLDER / TRIALS)
    registry.finish(run)


def _figures(comparison: dict[str, Any]) -> dict[str, float]:
    difference = comparison.get("difference", {})
    found = {f"difference.{name}": difference[name] for name in ("mean", "low", "high") if name in difference}
    return found | ({"today.ndcg_at_10": comparison["today"]} if comparison else {})
