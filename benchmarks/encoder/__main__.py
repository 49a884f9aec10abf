"""The trained network at batch 1, NumPy beside TensorFlow: ``python -m benchmarks.encoder --out DIR``.

The network of a run's bundle is exported as a SavedModel with the layers that were trained, and both are asked for the
twenty best of the catalog for real shoppers, one at a time, by turns within one run. LiteRT is asked too where it is
installed, which nothing here needs: ``uv pip install ai-edge-litert``.
"""

import argparse
import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from serving import one_thread  # noqa: F401  before what imports NumPy

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np  # isort: skip

from benchmarks.conclusion import conclude
from benchmarks.encoder.network import TOP
from benchmarks.encoder.systems import NUMPY, SAVED_MODEL, Question, System, systems
from benchmarks.heading import heading
from benchmarks.serving.inputs import InputError, read_histories
from pipelines.domain import BundleError
from pipelines.ranking.bundle import bundle_sha256, read_archive
from pipelines.ranking.catalog import Catalog
from pipelines.retrieval.sequence import SequenceScorer

GOAL, AGREEMENT_GOAL = 2.0, 0.999
WARM = 20
SAMPLES, LEVEL, SEED = 2000, 0.95, 7

Milliseconds = dict[str, np.ndarray]


def questions(catalog: Catalog, scorer: SequenceScorer, events: Path, most: int) -> list[Question]:
    """Real shoppers a moment after the last event, as many as are wanted and there."""
    histories = read_histories(events)
    now = int(histories.times.max()) + 1
    shoppers = (catalog.shopper(history, now) for history in histories)
    known = (shopper for shopper in shoppers if len(shopper.item))
    return [Question.of(scorer, shopper) for shopper in itertools.islice(known, most)]


def measure(
    found: dict[str, System], asked: Sequence[Question]
) -> tuple[Milliseconds, dict[str, np.ndarray]]:
    """Milliseconds of each shopper by system, and which share of NumPy's twenty the others have."""
    for question in asked[:WARM]:
        for best in found.values():
            best(question)
    times: dict[str, list[float]] = {name: [] for name in found}
    agreement: dict[str, list[float]] = {name: [] for name in found if name != NUMPY}
    for number, question in enumerate(asked):
        places = {}
        for name in _in_turn([*found], number):
            began = time.perf_counter()
            places[name] = found[name](question)
            times[name].append(1000 * (time.perf_counter() - began))
        for name, shares in agreement.items():
            shares.append(len(np.intersect1d(places[name], places[NUMPY])) / len(places[NUMPY]))
    return {name: np.array(all_) for name, all_ in times.items()}, {
        name: np.array(all_) for name, all_ in agreement.items()
    }


def _in_turn(names: list[str], number: int) -> Iterator[str]:
    first = number % len(names)
    yield from (*names[first:], *names[:first])


def ratio_of_medians(theirs: np.ndarray, ours: np.ndarray) -> tuple[float, float, float]:
    """How many times as long they take, with the ends of the interval; shoppers are drawn, each with both times."""
    drawn = np.random.default_rng(SEED).integers(len(ours), size=(SAMPLES, len(ours)))
    ratios = np.median(theirs[drawn], axis=1) / np.median(ours[drawn], axis=1)
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(np.median(theirs) / np.median(ours)), float(low), float(high)


def report(times: Milliseconds, agreement: dict[str, np.ndarray], data: dict[str, Any]) -> dict[str, Any]:
    """The common form of all benchmarks."""
    rows = [_row(name, "milliseconds", np.quantile(all_, [0.5, 0.1, 0.9])) for name, all_ in times.items()]
    ratios = {name: ratio_of_medians(all_, times[NUMPY]) for name, all_ in times.items() if name != NUMPY}
    rows += [_row(name, "times_numpy", ratio) for name, ratio in ratios.items()]
    means = {name: float(shares.mean()) for name, shares in agreement.items()}
    rows += [_row(name, "top_20_agreement", (mean, mean, mean)) for name, mean in means.items()]
    low = ratios[SAVED_MODEL][1]
    return {
        **heading("encoder", data),
        "results": rows,
        "resources": [
            {"system": name, "seconds": round(float(all_.sum()) / 1000, 2), "runs": len(all_)}
            for name, all_ in times.items()
        ],
        "goals": [
            {
                "goal": f"milliseconds of {SAVED_MODEL} / {NUMPY} at batch 1, lower end of the interval >= {GOAL:g}",
                "value": round(low, 2),
                "met": low >= GOAL,
            },
            {
                "goal": f"share of the top {TOP} that {SAVED_MODEL} and {NUMPY} have in common >= {AGREEMENT_GOAL:g}",
                "value": round(means[SAVED_MODEL], 5),
                "met": means[SAVED_MODEL] >= AGREEMENT_GOAL,
            },
        ],
    }


def _row(system: str, metric: str, figures: Sequence[float] | np.ndarray) -> dict[str, Any]:
    value, low, high = (round(float(figure), 5) for figure in figures)
    return {"system": system, "split": "batch 1", "metric": metric, "value": value, "low": low, "high": high}


def draw(times: Milliseconds, file: Path) -> None:
    """Milliseconds of a shopper by system."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 3.6))
    axis.boxplot([*times.values()], tick_labels=[*times], whis=(5, 95), showfliers=False)
    axis.set(ylabel="milliseconds of a shopper", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> int:
    """Measure and write ``report.json`` and ``encoder.png``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoder", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--workspace", type=Path, default=Path(), help="of a run; models/candidate in it is asked"
    )
    parser.add_argument("--shoppers", type=int, default=1000, help="at most")
    arguments = parser.parse_args()
    bundle = arguments.workspace / "models" / "candidate"
    try:
        catalog, arrays = Catalog.load(bundle), read_archive(bundle / "sequence.npz")
        scorer = SequenceScorer(arrays, catalog.sellable)
        events = arguments.workspace / "data" / "validated" / "events.parquet"
        asked = questions(catalog, scorer, events, arguments.shoppers)
    except (BundleError, InputError) as error:
        print(f"--workspace: {error}", file=sys.stderr)
        return 2
    with systems(arrays, scorer) as found:
        times, agreement = measure(found, asked)
    data = {"sha256": bundle_sha256(bundle), "items": len(scorer.sellable), "shoppers": len(asked)}
    data |= {"embedding_size": scorer.table.shape[1], "types": scorer.types}
    whole = report(times, agreement, data)
    conclude(whole, arguments.out)
    draw(times, arguments.out / "encoder.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
