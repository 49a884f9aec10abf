"""Ranked lists of a bundle, made by the bundle's own code in a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError
from pipelines.ranking.bundle import read_arrays, read_manifest

# Deep enough that a tie at the end of the list cannot reach the first ten places.
DEPTH = 100
# One shopper at a time is too little work to share out, and threads would change the last bits of a sum.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Lists:
    """Lists of several systems for the same shoppers.

    Attributes:
        user_ids: Shape ``(users,)``.
        item_ids: Table of item ids, shape ``(items,)``.
        systems: Per system, positions in ``item_ids`` (-1 for no place) and scores, each ``(users, places)``.
    """

    user_ids: NDArray[np.str_]
    item_ids: NDArray[np.str_]
    systems: dict[str, tuple[NDArray[np.int32], NDArray[np.float64]]]


def score_bundle(bundle: Path, histories: Path, now: int, out: Path) -> Lists:
    """Score histories with a bundle, by the code that the bundle carries.

    Args:
        bundle: Folder of a sealed bundle with ``code/``.
        histories: File of :class:`~pipelines.features.histories.Histories`.
        now: Microseconds since the epoch (UTC).
        out: Where the lists are written on the way.

    Raises:
        BundleError: The bundle is corrupt, or its code fails; the message ends with what it printed.
    """
    arguments = map(str, [histories.resolve(), now, DEPTH, out.resolve()])
    run_own_code(bundle, "pipelines.ranking.score_histories", *arguments)
    systems, user_ids, item_ids, items, scores = read_arrays(
        out, "systems", "user_ids", "item_ids", "items", "scores"
    )
    named = {str(name): (items[place], scores[place]) for place, name in enumerate(systems)}
    return Lists(user_ids, item_ids, named)


def run_own_code(bundle: Path, module: str, *arguments: str) -> None:
    """Run a module of the code that a bundle carries, in a process of its own; its first argument is the bundle.

    Raises:
        BundleError: The bundle is corrupt, or its code fails; the message ends with what it printed.
    """
    read_manifest(bundle)
    command = [sys.executable, "-B", "-m", module, str(bundle.resolve()), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | ONE_THREAD
    done = subprocess.run(command, cwd=bundle / "code", env=environment, capture_output=True, text=True)
    if done.returncode:
        raise BundleError(f"{bundle}: its code fails in {module}; it printed\n{done.stderr[-2000:]}")
