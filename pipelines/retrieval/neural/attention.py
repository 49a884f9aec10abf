"""Causal self-attention: SASRec (Kang and McAuley, 2018), with distances in place of absolute positions."""

import tensorflow as tf

from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.encoder import Encoder

NEVER = -1e9


class CausalAttention(Encoder):
    """Multi-head attention over the events up to one's own, with a learned bias by head and distance."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        self.mixed, self.out = self.dense(3 * config.embedding_size), self.dense(config.embedding_size)
        self.distance = self.add_weight(
            shape=(config.heads, config.length), initializer="zeros", name="distance", dtype="float32"
        )

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Attend."""
        shape, heads = tf.shape(values), self.config.heads
        size = self.config.embedding_size // heads
        mixed = tf.reshape(self.mixed(values), [shape[0], shape[1], 3, heads, size])
        query, key, value = tf.unstack(tf.transpose(mixed, [2, 0, 3, 1, 4]), num=3)
        weights = tf.matmul(query, key, transpose_b=True) * size**-0.5
        weights = tf.nn.softmax(tf.cast(weights, tf.float32) + causal_bias(self.distance, shape[1]))
        weights = self.drop(tf.cast(weights, value.dtype), training)
        joined = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
        return self.out(tf.reshape(joined, tf.shape(values)))


def causal_bias(distance: tf.Tensor, longest: tf.Tensor) -> tf.Tensor:
    """Bias of each pair of events; what comes later is never seen.

    Args:
        distance: Bias by distance, shape ``(heads, length)``.
        longest: Events of a sequence.

    Returns:
        Shape ``(heads, longest, longest)``; query, then key.
    """
    distance = tf.cast(distance, tf.float32)
    place = tf.range(longest)
    back = place[:, None] - place[None, :]
    bias = tf.gather(distance, tf.clip_by_value(back, 0, distance.shape[1] - 1), axis=1)
    return tf.where(back >= 0, bias, NEVER)


class AttentionBlock(Encoder):
    """Attention, then a feed-forward layer, each normalised before and added to what came in."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        self.before_attention, self.before_forward = self.norm(), self.norm()
        self.attention = CausalAttention(config)
        self.wide = self.dense(4 * config.embedding_size, "gelu")
        self.narrow = self.dense(config.embedding_size)

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Attend and transform."""
        values += self.drop(self.attention(self.before_attention(values), training=training), training)
        wide = self.drop(self.wide(self.before_forward(values)), training)
        return values + self.drop(self.narrow(wide), training)


class AttentionEncoder(Encoder):
    """Blocks of attention."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        self.layers = [AttentionBlock(config) for _ in range(config.blocks)]
        self.last = self.norm()

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States of the events."""
        for block in self.layers:
            values = block(values, training=training)
        return self.last(values)
