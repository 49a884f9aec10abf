"""The sequence model: deterministic, resumable, the same in NumPy as in Keras, and better than chance."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_shop import ITEMS, SMALL, habits

from pipelines.ranking.bundle import read_archive
from pipelines.retrieval.sequence import SequenceScorer

SCRIPT = Path(__file__).with_name("train_in_a_process.py")


def train(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(out), *arguments], capture_output=True, text=True, cwd=out.parent
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sequence") / "whole.npz"
    done = train(out)
    assert done.returncode == 0, done.stderr
    return out


def test_fit_sequence__killed_and_resumed_gives_the_same_bytes_as_in_one_go(
    trained: Path, tmp_path: Path
) -> None:
    checkpoint = str(tmp_path / "checkpoint.npz")
    killed = train(tmp_path / "two.npz", checkpoint, "3")
    assert killed.returncode == -9
    resumed = train(tmp_path / "two.npz", checkpoint)
    assert resumed.returncode == 0, resumed.stderr
    assert [line.split()[0] for line in resumed.stdout.splitlines()] == list("123456")
    assert (tmp_path / "two.npz").read_bytes() == trained.read_bytes()


def test_sequence_scorer__finds_what_a_shopper_buys_again(trained: Path) -> None:
    purchases = habits()
    scorer = SequenceScorer(read_archive(trained), np.arange(ITEMS))
    hits = []
    for shopper in range(20):
        mine = purchases.shopper == shopper
        item, counts = np.unique(purchases.item[mine], return_counts=True)
        usual = set(item[counts >= 4].tolist())
        scores = scorer.score(
            purchases.item[mine].astype(np.int64), -purchases.day[mine], purchases.basket[mine]
        )
        hits.append(len(set(np.argsort(-scores)[:6].tolist()) & usual) / max(min(len(usual), 6), 1))
    # By chance a tenth of them would be there.
    assert np.mean(hits) > 0.7


def test_sequence_scorer__equals_keras(trained: Path) -> None:
    from pipelines.retrieval.fitting.sequence_data import build_week, make_batch
    from pipelines.retrieval.fitting.sequence_model import SequenceModel
    from pipelines.retrieval.fitting.sequence_training import read_examples

    arrays, purchases = read_archive(trained), habits()
    examples = read_examples(purchases, SMALL)
    scaling = {name: value for name, value in arrays.items() if name.endswith(("_shift", "_scale"))}
    model = SequenceModel(SMALL, examples.vocabulary.rows, examples.vocabulary.types, scaling)
    everyone = np.arange(len(purchases.user_ids))
    week = build_week(purchases, purchases.moment_week, everyone)
    batch = make_batch(week, everyone, examples.vocabulary, np.arange(ITEMS), np.zeros(ITEMS, np.float32))
    model(batch)
    for variable in model.trainable_variables:
        variable.assign(arrays[variable.path.removeprefix("sequence/")])
    history, _, catalog = (part.numpy() for part in model(batch))
    scorer = SequenceScorer(arrays, np.arange(ITEMS))
    for shopper in (0, 17, 63):
        mine = purchases.shopper == shopper
        found = scorer.score(
            purchases.item[mine].astype(np.int64), -purchases.day[mine], purchases.basket[mine]
        )
        expected = catalog[shopper].copy()
        own = batch["history_group"] == shopper
        bought = np.unique(purchases.item[mine])
        expected[bought] = history[own]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_read_examples__too_little_history_says_what_to_do() -> None:
    from pipelines.retrieval.fitting.sequence_training import TrainingError, read_examples

    purchases = habits().before(4)
    object.__setattr__(purchases, "moment_week", 4)
    with pytest.raises(TrainingError, match=r"land more weeks or raise split_weeks\.history_weeks"):
        read_examples(purchases, SMALL)


def test_set_softmax_loss__of_a_shopper_without_targets_is_nothing_to_learn_from() -> None:
    """Two shoppers with two old items each; the second buys nothing: its scores must have no gradient."""
    import tensorflow as tf

    from pipelines.retrieval.fitting.sequence_model import set_softmax_loss

    batch = {
        "history_group": tf.constant([0, 0, 1, 1]),
        "history_label": tf.constant([1.0, 0.0, 0.0, 0.0]),
        "new_group": tf.zeros([0], tf.int32),
        "negative_log_expected": tf.zeros([1]),
        "negative_free": tf.ones([2, 1]),
    }
    history, negative = tf.Variable([1.0, 2.0, 3.0, 4.0]), tf.Variable([[0.0], [0.0]])
    with tf.GradientTape() as tape:
        loss = set_softmax_loss(batch, history, tf.zeros([0]), negative)
    by_history, by_negative = tape.gradient(loss, [history, negative])

    first = np.log(np.exp(1.0) + np.exp(2.0) + np.exp(0.0)) - 1.0
    assert float(loss) == pytest.approx(first / 2, rel=1e-6)
    assert np.count_nonzero(by_history.numpy()[2:]) == 0
    assert np.count_nonzero(by_history.numpy()[:2]) == 2
    assert by_negative.numpy()[1] == 0.0
