"""Time to the quality of RecTools' SASRec: ``python -m benchmarks.peers.rectools --data FILE --out DIR``.

Both learn from all but the last item and are judged after every epoch on the last, by the same code: the whole catalog
ranked, seen items left out, ties counted against the target. The peer's best epoch on these items is the mark, which
favours the peer; what counts is how long each trained to get there. Judging and exporting are not counted, compiling
the first epoch is.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heading import heading
from benchmarks.sequences.arguments import refused
from benchmarks.sequences.reading import SequencesError, read_sequences
from benchmarks.sequences.splits import Questions, Split, split
from pipelines.evaluation.full_ranking import CELLS, Seen, metrics_at, rank_targets, target_ranks
from pipelines.retrieval.interactions import Interactions
from pipelines.settings import settings
from pipelines.tables import write_json

OURS, PEER = "attention", "rectools_sasrec"
PATIENCE = 10
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""Keeps the memory of a step for the next one: the peer is 1.2 to 1.5 times as fast with it."""
GOAL = 0.5
HERE = Path(__file__).parent
LOCK = HERE / "rectools.txt"

Curve = list["Point"]


class PeerError(Exception):
    """The peer cannot be run; the message says what to do."""


@dataclass(frozen=True)
class Point:
    """After an epoch: seconds of training so far, and what they led to."""

    seconds: float
    ndcg: float


def make_environment(folder: Path) -> None:
    """Install what ``rectools.txt`` pins; pip has to know where the CPU build of PyTorch is.

    Raises:
        PeerError: It cannot be installed.
    """
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    except subprocess.CalledProcessError as error:
        raise PeerError(
            f"{folder}: {LOCK.name} cannot be installed; it wants Python 3.11 and the CPU build of PyTorch for "
            "x86-64 Linux: name a folder or an index that has it in PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL"
        ) from error


def train_peer(parts: Split, python: Path, threads: int) -> Curve:
    """Run the peer in its environment and judge each epoch.

    Raises:
        PeerError: Its environment is missing, or it failed.
    """
    if not python.exists():
        raise PeerError(
            f"{python}: the environment of {PEER} is missing; make it with "
            "`python -m benchmarks.peers.rectools --prepare`"
        )
    with TemporaryDirectory() as name:
        folder = Path(name)
        train = parts.all_but_last
        np.savez(folder / "events.npz", user=train.user, item=train.item)
        # -P: this file beside the script is not the package of the same name.
        script = ["-P", str(HERE / "rectools_sasrec.py"), str(folder / "events.npz"), name, str(threads)]
        command = [str(python), *script]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, **pipes, text=True, cwd=name, env=os.environ | MALLOC) as process:
            assert process.stdin
            assert process.stdout
            curve: Curve = []
            for epoch, seconds in told(process.stdout):
                ranks = peer_ranks(folder / f"{epoch}.npz", train, parts.test)
                curve.append(Point(seconds, _ndcg(ranks)))
                print(f"{PEER}: {curve[-1]}", flush=True)
                process.stdin.write("stop\n" if is_done(curve, PATIENCE) else "go\n")
                process.stdin.flush()
    if process.returncode or not curve:
        raise PeerError(f"{PEER} ended with {process.returncode}; what it said is above")
    return curve


def told(lines: Any) -> Iterator[tuple[int, float]]:
    """Epoch and seconds of each line that is the peer's; libraries print others."""
    for line in lines:
        if line.startswith('{"epoch"'):
            found = json.loads(line)
            yield int(found["epoch"]), float(found["seconds"])


def is_done(curve: Curve, patience: int) -> bool:
    """Whether the last ``patience`` epochs were none better than the best before."""
    best = int(np.argmax([point.ndcg for point in curve]))
    return len(curve) - 1 - best >= patience


def peer_ranks(file: Path, train: Interactions, asked: Questions) -> NDArray[np.int64]:
    """Ranks of the targets by the peer's embeddings; an item that it does not know stands behind all others.

    Args:
        file: With ``users`` of the users ``user`` and ``items`` of the items ``item``.
        train: What the peer learned from; its users are those of ``file``.
        asked: Those of them that have three items, in the same order; their histories are what ``train`` has.
    """
    with np.load(file) as found:
        users = np.empty((len(train), found["users"].shape[1]), np.float32)
        users[found["user"]] = found["users"]
        items, known = found["items"], found["item"]
    # A longer user lost its last item and is asked; a shorter one lost nothing and is not.
    place = asked_places(train, asked)
    step, ranks = max(1, CELLS // train.items), []
    for begin in range(0, len(asked), step):
        some = asked.take(np.arange(begin, min(begin + step, len(asked))))
        products = users[place[begin : begin + step]] @ items.T
        scores = np.repeat(products.min(axis=1, keepdims=True) - 1, train.items, axis=1)
        scores[:, known] = products
        scores[some.histories.user, some.histories.item] = -np.inf
        ranks.append(rank_targets(scores, some.target))
    return np.concatenate(ranks)


def asked_places(train: Interactions, asked: Questions) -> NDArray[np.int64]:
    """Row in ``train`` of each asked user, found by walking both in order.

    Raises:
        ValueError: A history is not in ``train``.
    """
    places, row = [], 0
    for user in range(len(asked)):
        wanted = asked.histories.row(user)
        while row < len(train) and not np.array_equal(train.row(row), wanted):
            row += 1
        if row == len(train):
            raise ValueError(f"history {user} is not in what was learned from")
        places.append(row)
        row += 1
    return np.array(places, np.int64)


def train_ours(parts: Split) -> Curve:
    """The attention retriever with its defaults."""
    from pipelines.retrieval.neural.config import NeuralConfig
    from pipelines.retrieval.neural.models import Attention
    from pipelines.retrieval.retriever import Watch

    curve: Curve = []
    judging, began = 0.0, time.perf_counter()

    def judge(retriever: Any) -> float:
        nonlocal judging
        now = time.perf_counter()
        ranks = target_ranks(retriever, parts.test.histories, parts.test.target, Seen.FILTERED)
        curve.append(Point(now - began - judging, _ndcg(ranks)))
        print(f"{OURS}: {curve[-1]}", flush=True)
        judging += time.perf_counter() - now
        return curve[-1].ndcg

    Attention(NeuralConfig()).fit(parts.all_but_last, seed=1, watch=Watch(judge, lambda: False))
    return curve


def seconds_to(curve: Curve, mark: float) -> float | None:
    """Of training until an epoch is at least as good as the mark."""
    return next((point.seconds for point in curve if point.ndcg >= mark), None)


def report(curves: dict[str, Curve], data: dict[str, Any]) -> dict[str, Any]:
    """The common form of all benchmarks."""
    mark = max(point.ndcg for point in curves[PEER])
    reached = {name: seconds_to(curve, mark) for name, curve in curves.items()}
    ours, peer = reached[OURS], reached[PEER]
    ratio = None if ours is None or peer is None else ours / peer
    return {
        **heading("peers.rectools", data),
        "results": [
            {
                "system": name,
                "split": "test",
                "metric": "ndcg_at_10",
                "value": round(max(point.ndcg for point in curve), 5),
                "seeds": 1,
            }
            for name, curve in curves.items()
        ],
        "resources": [
            {
                "system": name,
                "seconds": round(curve[-1].seconds, 1),
                "seconds_to_mark": None if reached[name] is None else round(reached[name] or 0.0, 1),
                "epochs": len(curve),
                "curve": [[round(point.seconds, 2), round(point.ndcg, 5)] for point in curve],
            }
            for name, curve in curves.items()
        ],
        "goals": [
            {
                "goal": f"seconds to the best ndcg_at_10 of {PEER}, {OURS} / {PEER} <= {GOAL:g}",
                "value": None if ratio is None else round(ratio, 3),
                "met": ratio is not None and ratio <= GOAL,
            }
        ],
    }


def draw(curves: dict[str, Curve], file: Path) -> None:
    """NDCG by seconds of training."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 3.6))
    for name, curve in curves.items():
        axis.plot([point.seconds for point in curve], [point.ndcg for point in curve], label=name)
    axis.set(xlabel="seconds of training", ylabel="NDCG@10, test")
    axis.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def _ndcg(ranks: NDArray[np.int64]) -> float:
    return float(metrics_at(ranks, (10,))["ndcg_at_10"].mean())


def main() -> int:
    """Prepare the environment, or measure and write ``report.json`` and ``peers.rectools.png``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.rectools", description=__doc__)
    parser.add_argument("--prepare", action="store_true", help="only make the peer's environment")
    parser.add_argument("--environment", type=Path, default=settings().home / "peers" / "rectools")
    parser.add_argument("--data", type=Path, help="a file of sequences")
    parser.add_argument("--out", type=Path, default=settings().home / "benchmarks" / "rectools")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the peer")
    asked = parser.parse_args()
    try:
        if asked.prepare:
            make_environment(asked.environment)
            return 0
        if not asked.data:
            parser.error("--data names a file of sequences")
        sequences = read_sequences(asked.data)
        parts = split(sequences.interactions)
        peer = train_peer(parts, asked.environment / "bin" / "python", asked.threads)
    except (PeerError, SequencesError) as error:
        return refused(str(error))
    curves = {OURS: train_ours(parts), PEER: peer}
    asked.out.mkdir(parents=True, exist_ok=True)
    write_json(asked.out / "report.json", report(curves, sequences.facts()))
    draw(curves, asked.out / "peers.rectools.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
