"""Dilated causal convolutions: NextItNet (Yuan et al., WSDM 2019)."""

import keras
import tensorflow as tf

from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.encoder import Encoder

KERNEL = 3


class ConvolutionBlock(Encoder):
    """Two convolutions, the second over twice the distance; the sum of both is added to what came in."""

    def __init__(self, config: NeuralConfig, dilation: int) -> None:
        super().__init__(config)
        self.before = [self.norm(), self.norm()]
        self.layers = [
            keras.layers.Conv1D(
                config.embedding_size, KERNEL, padding="causal", dilation_rate=rate, dtype=self.dtype_policy
            )
            for rate in (dilation, 2 * dilation)
        ]

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Convolve."""
        inner = values
        for norm, layer in zip(self.before, self.layers, strict=True):
            inner = layer(tf.nn.relu(norm(inner)))
        return values + self.drop(inner, training)


class ConvolutionEncoder(Encoder):
    """Blocks that see four times as far as the one before."""

    def __init__(self, config: NeuralConfig) -> None:
        super().__init__(config)
        self.layers = [ConvolutionBlock(config, 4**block) for block in range(config.blocks)]
        self.last = self.norm()

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """States of the events."""
        for block in self.layers:
            values = block(values, training=training)
        return self.last(values)
