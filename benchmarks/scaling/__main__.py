"""Loss against parameters and against data: ``python -m benchmarks.scaling --out DIR [--data FILE] [--minutes M]``.

The base size learns from an eighth, a quarter, half and all of the users; then the other sizes learn from all of
them. What does not end in time is left out, and the report says so.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import numpy as np

from benchmarks.scaling.one_fit import ASKED_CELLS, halves, save
from benchmarks.scaling.report import Fits, draw, report
from benchmarks.sequences.arguments import refused
from benchmarks.sequences.reading import SequencesError
from benchmarks.sequences.splits import split
from benchmarks.walks import read_or_generate
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.config import SIZES, NeuralConfig
from pipelines.settings import CHECKOUT
from pipelines.tables import write_json

STUDIED: dict[str, tuple[int, int, int]] = {
    "tiny": (16, 1, 1),
    "small": SIZES["small"],
    "base": SIZES["base"],
    "wide": (128, 2, 2),
    "large": SIZES["large"],
}
"""Embedding size, blocks and heads, from few parameters to many."""
SHARES = {"1/8 of users": 1 / 8, "1/4 of users": 1 / 4, "1/2 of users": 1 / 2}

Fit = Callable[[dict[str, Any], float], dict[str, Any] | None]


def main() -> int:
    """Measure and write ``report.json`` and ``scaling.png``."""
    asked = _arguments()
    try:
        interactions, data = read_or_generate(asked.data, asked.users, asked.items)
    except SequencesError as error:
        return refused(str(error))
    asked.out.mkdir(parents=True, exist_ok=True)
    ends = monotonic() + 60 * asked.minutes
    with TemporaryDirectory() as folder:
        file = Path(folder) / "sequences.npz"
        save(file, interactions)
        by_size, by_data, cut = study(
            lambda config, share: fit_apart(file, config, share, ends - monotonic()), asked.sizes
        )
    whole = report(by_size, by_data, popularity_loss(interactions), cut, data)
    write_json(asked.out / "report.json", whole)
    draw(whole, asked.out / "scaling.png")
    return 0


def study(fit: Fit, sizes: list[str]) -> tuple[Fits, Fits, list[str]]:
    """Fit every share at the base size, then every size.

    Args:
        fit: Takes a config and a share of the users; gives nothing when the time was over.
        sizes: Names in ``STUDIED``.

    Returns:
        By size, by share, and what was left out.
    """
    wanted = [(name, "base", share) for name, share in SHARES.items()]
    wanted += [(name, name, 1.0) for name in sorted(sizes, key=lambda name: (name != "base", STUDIED[name]))]
    found: Fits = {}
    for name, size, share in wanted:
        fitted = fit(asdict(config_of(size)), share)
        if fitted:
            found[name] = fitted
            print(f"{name}: loss {fitted['loss']:.4f}, {fitted['seconds']:.0f} s", flush=True)
    cut = [f"{name}: did not end in time" for name, _, _ in wanted if name not in found]
    by_data = {name: found[name] for name in (*SHARES, "base") if name in found}
    return {name: found[name] for name in STUDIED if name in found}, by_data, cut


def config_of(size: str) -> NeuralConfig:
    """The defaults at a size."""
    embedding_size, blocks, heads = STUDIED[size]
    return replace(NeuralConfig(), embedding_size=embedding_size, blocks=blocks, heads=heads)


def fit_apart(file: Path, config: dict[str, Any], share: float, seconds: float) -> dict[str, Any] | None:
    """One fit in a process of its own; nothing when it does not end in time.

    Raises:
        subprocess.CalledProcessError: It failed; what it said is on standard error.
    """
    if seconds <= 0:
        return None
    command = [sys.executable, "-m", "benchmarks.scaling.one_fit", str(file), json.dumps(config), str(share)]
    try:
        ended = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def popularity_loss(interactions: Interactions) -> float:
    """Loss in nats of how often items occur, one more for each, on the users that the fits are judged on."""
    parts = split(interactions).asking(ASKED_CELLS)
    count = np.bincount(parts.all_but_last_two.item, minlength=interactions.items) + 1.0
    return float(-np.log(count / count.sum())[halves(parts)[1].target].mean())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="a file of sequences; generated walks by default")
    parser.add_argument("--users", type=int, default=8000, help="of the generated walks")
    parser.add_argument("--items", type=int, default=1000, help="of the generated walks")
    parser.add_argument("--minutes", type=float, default=30, help="of all fits together")
    parser.add_argument("--sizes", nargs="+", choices=STUDIED, default=list(STUDIED))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
