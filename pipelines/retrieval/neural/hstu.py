"""Hierarchical sequential transduction units: HSTU (Zhai et al., ICML 2024)."""

import tensorflow as tf

from pipelines.retrieval.neural.attention import causal_bias
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.encoder import Encoder


class TransductionBlock(Encoder):
    """Pointwise attention without a softmax, gated by the event itself; there is no feed-forward layer."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        self.before, self.after = self.norm(), self.norm()
        self.mixed = self.dense(4 * config.embedding_size, "silu")
        self.out = self.dense(config.embedding_size)
        self.distance = self.add_weight(
            shape=(config.heads, config.length), initializer="zeros", name="distance", dtype="float32"
        )

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Attend."""
        shape, heads = tf.shape(values), self.config.heads
        size = self.config.embedding_size // heads
        gate, rest = tf.split(self.mixed(self.before(values)), [heads * size, 3 * heads * size], axis=-1)
        rest = tf.reshape(rest, [shape[0], shape[1], 3, heads, size])
        query, key, value = tf.unstack(tf.transpose(rest, [2, 0, 3, 1, 4]), num=3)
        agreement = tf.cast(tf.matmul(query, key, transpose_b=True), tf.float32)
        weights = tf.nn.silu(agreement + causal_bias(self.distance, shape[1]))
        seen = tf.cast(tf.range(1, shape[1] + 1), tf.float32)
        joined = tf.matmul(tf.cast(weights / seen[:, None], value.dtype), value)
        joined = tf.reshape(tf.transpose(joined, [0, 2, 1, 3]), shape)
        return values + self.out(self.drop(self.after(joined) * gate, training))


class HstuEncoder(Encoder):
    """Blocks of units."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        self.layers = [TransductionBlock(config) for _ in range(config.blocks)]
        self.last = self.norm()

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States of the events."""
        for block in self.layers:
            values = block(values, training=training)
        return self.last(values)
