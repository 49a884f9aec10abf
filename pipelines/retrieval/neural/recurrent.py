"""Recurrent encoders: gated units (GRU4Rec, Hidasi et al., 2016) and long short-term memory (Hochreiter, 1997)."""

from typing import ClassVar

import keras
import tensorflow as tf

from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.encoder import Encoder


class RecurrentEncoder(Encoder):
    """Stacked cells of one kind, each layer added to what came in."""

    kind: ClassVar[type[keras.layers.Layer]]

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        self.layers = [
            self.kind(config.embedding_size, return_sequences=True, dtype=self.dtype_policy)
            for _ in range(config.blocks)
        ]
        self.last = self.norm()

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States of the events."""
        for layer in self.layers:
            values += self.drop(layer(values, training=training), training)
        return self.last(values)


class GruEncoder(RecurrentEncoder):
    """Gated recurrent units."""

    kind = keras.layers.GRU


class LstmEncoder(RecurrentEncoder):
    """Long short-term memory."""

    kind = keras.layers.LSTM
