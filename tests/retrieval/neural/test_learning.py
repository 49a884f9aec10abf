"""The loss and the lazy optimiser against their definitions and Keras' own."""

import keras
import numpy as np
import tensorflow as tf

from pipelines.retrieval.neural.loss import sampled_softmax
from pipelines.retrieval.neural.rows_adam import RowsAdam

RANDOM = np.random.default_rng(5)


def test_sampled_softmax__with_all_other_items_drawn_once_is_the_softmax() -> None:
    states = RANDOM.normal(size=(1, 4)).astype(np.float32)
    items = RANDOM.normal(size=(6, 4)).astype(np.float32)
    logits = (states @ items.T)[0]
    others = np.array([0, 1, 3, 4, 5], np.int32)
    loss = sampled_softmax(
        states, items, np.array([2], np.int32), others, np.zeros(1, "f4"), np.zeros(5, "f4")
    )
    np.testing.assert_allclose(loss, [np.log(np.exp(logits).sum()) - logits[2]], rtol=1e-5)


def test_sampled_softmax__leaves_out_a_drawn_target() -> None:
    states, items = np.ones((2, 1), "f4"), np.array([[0.0], [1.0], [2.0]], "f4")
    loss = sampled_softmax(
        states,
        items,
        np.array([1, 2], np.int32),
        np.array([1, 0], np.int32),
        np.zeros(2, "f4"),
        np.zeros(2, "f4"),
    )
    np.testing.assert_allclose(loss, [np.log(1 + np.exp(-1)), np.log(1 + np.exp(-1) + np.exp(-2))], rtol=1e-5)


def test_sampled_softmax__takes_chances_off_both_sides() -> None:
    loss = sampled_softmax(
        np.ones((1, 1), "f4"),
        np.array([[0.0], [1.0]], "f4"),
        np.array([1], np.int32),
        np.array([0], np.int32),
        np.array([0.25], "f4"),
        np.array([0.5], "f4"),
    )
    np.testing.assert_allclose(loss, [np.log1p(np.exp(-0.5 - 0.75))], rtol=1e-5)


def test_rows_adam__is_dense_adam_where_all_rows_are_touched() -> None:
    start = RANDOM.normal(size=(5, 3)).astype(np.float32)
    dense, table = tf.Variable(start), tf.Variable(start)
    theirs, ours = keras.optimizers.AdamW(0.01, weight_decay=0.1), RowsAdam(table, 0.01, 0.1)
    for number in range(1, 21):
        gradient = RANDOM.normal(size=(5, 3)).astype(np.float32)
        theirs.apply_gradients([(tf.constant(gradient), dense)])
        order = RANDOM.permutation(5).astype(np.int32)
        ours.apply(tf.constant(order), tf.constant(gradient[order]), tf.constant(float(number)))
    np.testing.assert_allclose(table, dense, rtol=1e-4, atol=1e-6)
    assert abs(table.numpy() - start).max() > 0.05


def test_rows_adam__leaves_other_rows_alone() -> None:
    table = tf.Variable(np.ones((4, 2), "f4"))
    ours = RowsAdam(table, 0.5)
    for number in (1.0, 2.0):
        ours.apply(tf.constant([2]), tf.constant([[1.0, -1.0]]), tf.constant(number))
    assert table.numpy()[[0, 1, 3]].tolist() == [[1, 1]] * 3
    np.testing.assert_allclose(table.numpy()[2], [0.0, 2.0], atol=1e-4)  # Adam's first steps are the rate
    assert not ours.moments.numpy()[[0, 1, 3]].any()
