"""What every encoder is made of."""

import keras
import tensorflow as tf

from pipelines.retrieval.neural.config import NeuralConfig


class Encoder(keras.layers.Layer):
    """States of events that see the events up to their own.

    Sequences are padded on the right: what comes later is never seen, so padding needs no mask.
    """

    def __init__(self, config: NeuralConfig) -> None:
        """Set sizes and dropout; subclasses add their layers."""
        super().__init__(dtype="mixed_bfloat16" if config.precision == "bfloat16" else "float32")
        self.config = config
        self.draws = keras.random.SeedGenerator(0)

    @property
    def all_draws(self) -> list[keras.random.SeedGenerator]:
        """Its own generator and those of the encoders in it, always in the same order."""
        return [layer.draws for layer in self._flatten_layers() if isinstance(layer, Encoder)]

    def drop(self, values: tf.Tensor, training: bool, rate: float | None = None) -> tf.Tensor:
        """Dropout while training, drawn from the encoder's own generator."""
        rate = self.config.dropout if rate is None else rate
        return keras.random.dropout(values, rate, seed=self.draws) if training and rate else values

    def dense(self, units: int, activation: str | None = None, use_bias: bool = True) -> keras.layers.Dense:
        """A dense layer in the encoder's precision."""
        return keras.layers.Dense(units, activation, use_bias=use_bias, dtype=self.dtype_policy)

    def norm(self) -> keras.layers.LayerNormalization:
        """Layer normalisation in the encoder's precision."""
        return keras.layers.LayerNormalization(epsilon=1e-6, dtype=self.dtype_policy)

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Encode.

        Args:
            values: Embeddings of events, shape ``(sequences, longest, size)``.
            training: Whether dropout applies.

        Returns:
            Same shape.
        """
        raise NotImplementedError
