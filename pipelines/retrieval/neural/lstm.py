"""Long short-term memory (Hochreiter and Schmidhuber, 1997) over events."""

import keras
import tensorflow as tf

from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.encoder import Encoder


class LstmEncoder(Encoder):
    """Stacked cells, each added to what came in."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        self.layers = [
            keras.layers.LSTM(config.embedding_size, return_sequences=True, dtype=self.dtype_policy)
            for _ in range(config.blocks)
        ]
        self.last = self.norm()

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States of the events."""
        for layer in self.layers:
            values += self.drop(layer(values, training=training), training)
        return self.last(values)
