"""Trains on the small shop in a process of its own: ``train_in_a_process.py OUT [CHECKPOINT] [KILL_AFTER_EPOCH]``."""

import os
import sys
from pathlib import Path

from pipelines.ranking.bundle import write_arrays
from pipelines.retrieval.fitting.sequence_training import fit_sequence, prepare_tensorflow, read_examples

sys.path.insert(0, str(Path(__file__).parent))
from small_shop import SMALL, habits

out, checkpoint, kill_after = (*sys.argv[1:], "", "")[:3]


def progress(epoch: int, loss: float) -> None:
    print(epoch, loss, flush=True)
    if kill_after and epoch == int(kill_after):
        os.kill(os.getpid(), 9)


prepare_tensorflow(SMALL.seed, 1)
examples = read_examples(habits(), SMALL)
write_arrays(Path(out), fit_sequence(examples, SMALL, Path(checkpoint) if checkpoint else None, progress))
