"""RecTools' SASRec, run in its own environment: it knows nothing of shoploop and shoploop nothing of it.

``python rectools_sasrec.py DATA FOLDER THREADS``: DATA is a ``.npz`` with ``user`` and ``item`` of every event in
order. After each epoch it writes ``FOLDER/N.npz`` (``users``, shape ``(users, size)``; ``items``, ``(known, size)``;
``item``, whose rows those are), prints a line of JSON with the epoch and the seconds of training so far, and waits
for a line: ``go`` on or anything else to end.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

EPOCHS = 200
DATASETS: list[Dataset] = []
"""The one that is learned from: what a trainer holds is copied and has to be text."""


class Export(Callback):
    """Writes what the model is after each epoch; what that and the answer take is not counted."""

    def __init__(self, folder: str) -> None:
        self.folder, self.seconds = Path(folder), 0.0

    def on_train_epoch_start(self, *_: object) -> None:
        """Start the clock."""
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, module: torch.nn.Module) -> None:
        """Stop the clock, write, and ask whether to go on."""
        self.seconds += time.perf_counter() - self.began
        prepare, dataset = module.data_preparator, DATASETS[0]
        shown = prepare.transform_dataset_u2i(dataset, dataset.user_id_map.external_ids)
        users, items = module._get_user_item_embeddings(prepare.get_dataloader_recommend(shown, 256), None)
        module.train()
        user = shown.user_id_map.external_ids.astype(np.int64)
        item = prepare.item_id_map.external_ids[prepare.n_item_extra_tokens :].astype(np.int64)
        file = self.folder / f"{trainer.current_epoch + 1}.npz"
        items = items.detach().numpy()[prepare.n_item_extra_tokens :]
        np.savez(file, users=users.numpy(), user=user, items=items, item=item)
        print(json.dumps({"epoch": trainer.current_epoch + 1, "seconds": self.seconds}), flush=True)
        trainer.should_stop = sys.stdin.readline().strip() != "go"


def make_trainer(folder: str) -> Trainer:
    """RecTools asks for a function that can be imported."""
    silent = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(max_epochs=EPOCHS, callbacks=[Export(folder)], logger=False, accelerator="cpu", **silent)


def main() -> None:
    """Train until told to end."""
    torch.set_num_threads(int(sys.argv[3]))
    with np.load(sys.argv[1]) as found:
        events = pd.DataFrame({Columns.User: found["user"], Columns.Item: found["item"]})
    events[Columns.Weight] = 1.0
    # Only the order counts.
    events[Columns.Datetime] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(events)), unit="s")
    DATASETS.append(Dataset.construct(events))
    torch.manual_seed(1)
    model = SASRecModel(
        n_blocks=1,
        n_heads=1,
        n_factors=64,
        session_max_len=20,
        dropout_rate=0.2,
        loss="sampled_softmax",
        n_negatives=64,
        lr=1e-3,
        batch_size=128,
        get_trainer_func=make_trainer,
        get_trainer_func_kwargs={"folder": sys.argv[2]},
    )
    model.fit(DATASETS[0])


if __name__ == "__main__":
    main()
