"""Attention with learned gates on what each part adds: LiGR (Borisyuk et al., 2025), as eSASRec takes it up."""

import tensorflow as tf

from pipelines.retrieval.neural.attention import CausalAttention
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.encoder import Encoder


class GatedBlock(Encoder):
    """Attention, then a SwiGLU layer; how much of each enters is decided by the event's own state."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        size = config.embedding_size
        self.before_attention, self.before_forward = self.norm(), self.norm()
        self.attention = CausalAttention(config)
        self.attention_gate, self.forward_gate = self.dense(size, "sigmoid"), self.dense(size, "sigmoid")
        self.wide, self.wide_gate = self.dense(2 * size), self.dense(2 * size, "silu")
        self.narrow = self.dense(size)

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Attend and transform."""
        added = self.attention(self.before_attention(values), training=training)
        values += self.drop(added, training) * self.attention_gate(values)
        entering = self.before_forward(values)
        wide = self.drop(self.wide(entering) * self.wide_gate(entering), training)
        return values + self.drop(self.narrow(wide), training) * self.forward_gate(values)


class LigrEncoder(Encoder):
    """Blocks of gated attention."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        self.layers = [GatedBlock(config) for _ in range(config.blocks)]
        self.last = self.norm()

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States of the events."""
        for block in self.layers:
            values = block(values, training=training)
        return self.last(values)
