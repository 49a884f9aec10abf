"""The item table, an encoder, and the step that trains them together."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.retrieval.neural.batches import Part, Step
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.encoder import Encoder
from pipelines.retrieval.neural.loss import sampled_softmax
from pipelines.retrieval.neural.replicas import Replicas
from pipelines.retrieval.neural.rows_adam import RowsAdam

_PLACES = tf.TensorSpec([None], tf.int32)
_REALS = tf.TensorSpec([None], tf.float32)
_WEIGHT = tf.TensorSpec([], tf.float32)
_EVENTS = tf.TensorSpec([None, None], tf.int32)
_PLACE = tf.TensorSpec([], tf.int32)
_COLUMNS = [_PLACE, _EVENTS, _PLACES, _PLACES, _REALS, _WEIGHT, _PLACES, _REALS]
DRAWS_OF_PART, DRAWS_OF_LAYER = 2**16, 2**8


class Network:
    """Items have one embedding, which enters the encoder and is compared with its states.

    Row 0 of the table is padding and hidden events, item i has row i + 1.
    """

    def __init__(
        self, config: NeuralConfig, items: int, encoder: Encoder, replicas: Replicas | None = None
    ) -> None:
        """Create the variables; their start depends on Keras' global seed."""
        size = config.embedding_size
        self.config, self.encoder = config, encoder
        self._replicas = replicas or Replicas()
        self.table = tf.Variable(keras.initializers.TruncatedNormal(size**-0.5)((items + 1, size)))
        encoder(tf.zeros([1, 2, size]), training=False)
        self._draws = encoder.all_draws
        self._trainable = [variable.value for variable in encoder.trainable_variables]
        self.rows_adam = RowsAdam(self.table, config.learning_rate, config.weight_decay)
        self._adam = keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
        self._adam.build(encoder.trainable_variables)
        self._steps = tf.Variable(0.0, trainable=False)
        slopes = [tf.TensorSpec([None, size], tf.float32)]
        slopes += [tf.TensorSpec(variable.shape, tf.float32) for variable in self._trainable]
        self._slopes = tf.function(self._find_slopes, input_signature=[_PLACES, *_COLUMNS])
        if self._replicas.count > 1:
            columns = _COLUMNS * len(self._replicas.own)
            self._slopes = tf.function(self._find_summed, input_signature=[_PLACES, *columns])
        self._move = tf.function(self._apply_slopes, input_signature=[_PLACES, *slopes])
        self._encode_last = tf.function(self._find_last, input_signature=[_EVENTS, _PLACES])

    @property
    def weights(self) -> list[tf.Variable]:
        """What scores depend on."""
        return [self.table, *self._trainable]

    @property
    def state(self) -> list[tf.Variable]:
        """All that a resumed fit needs."""
        kept = [*self.encoder.variables, *self._adam.variables]
        return [self.table, self.rows_adam.moments, self._steps, *(variable.value for variable in kept)]

    def copy(self) -> list[NDArray[np.float32]]:
        """The weights as they are now."""
        return [weight.numpy() for weight in self.weights]

    def assign(self, weights: list[NDArray[np.float32]]) -> None:
        """Put weights in place."""
        for variable, value in zip(self.weights, weights, strict=True):
            variable.assign(value)

    def train(self, step: Step) -> float:
        """Update once; the mean loss before it."""
        rows = tf.constant(step.rows)
        found = [self._slopes(rows, *columns) for columns in self._rounds(step)]
        loss, *slopes = [tf.add_n(same) for same in zip(*found, strict=True)]
        self._move(rows, *slopes)
        return float(loss)

    def states(self, event: NDArray[np.int32], last: NDArray[np.int32]) -> NDArray[np.float32]:
        """State after the last event of each sequence, as compared with items.

        Args:
            event: Rows of the table, padded on the right, shape ``(sequences, longest)``.
            last: Place of the last event, shape ``(sequences,)``.

        Returns:
            Shape ``(sequences, size)``.
        """
        states: NDArray[np.float32] = self._encode_last(tf.constant(event), tf.constant(last)).numpy()
        return states

    def items(self) -> NDArray[np.float32]:
        """Every item, as compared with states, shape ``(items, size)``."""
        items: NDArray[np.float32] = self._compared(self.table[1:]).numpy()
        return items

    def _rounds(self, step: Step) -> Iterator[list[tf.Tensor]]:
        """Columns of what is computed at once: one part, or one for each of the own replicas."""
        if self._replicas.count == 1:
            yield from (_columns(step, place) for place in range(len(step.parts)))
            return
        for part in range(self.config.accumulate):
            places = [replica * self.config.accumulate + part for replica in self._replicas.own]
            yield [column for place in places for column in _columns(step, place)]

    def _find_summed(self, rows: tf.Tensor, *columns: tf.Tensor) -> list[tf.Tensor]:
        """The slopes of a part of each replica, as one vector for one sum over all workers."""
        own = [columns[begin : begin + len(_COLUMNS)] for begin in range(0, len(columns), len(_COLUMNS))]
        summed = self._replicas.sum(self._find_vector, [[rows, *column] for column in own])
        shapes = [[], [-1, self.config.embedding_size], *(part.shape for part in self._trainable)]
        sizes = [1, tf.size(rows) * self.config.embedding_size, *(tf.size(part) for part in self._trainable)]
        pieces = tf.split(summed, sizes, num=len(sizes))
        return [tf.reshape(piece, shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def _find_vector(self, rows: tf.Tensor, *columns: tf.Tensor) -> tf.Tensor:
        return tf.concat([tf.reshape(part, [-1]) for part in self._find_slopes(rows, *columns)], axis=0)

    def _find_slopes(
        self,
        rows: tf.Tensor,
        place: tf.Tensor,
        event: tf.Tensor,
        spot: tf.Tensor,
        target: tf.Tensor,
        target_log_chance: tf.Tensor,
        weight: tf.Tensor,
        negative: tf.Tensor,
        negative_log_chance: tf.Tensor,
    ) -> list[tf.Tensor]:
        self._seed_draws(place)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._trainable)
            values = self.rows_adam.gather(rows)
            tape.watch(values)
            states = self._encode(tf.gather(values, event), tf.gather(rows, event) > 0, training=True)
            states = tf.gather(tf.reshape(states, [-1, self.config.embedding_size]), spot)
            chances = (target_log_chance, negative_log_chance)
            losses = sampled_softmax(
                self._compared(states), self._compared(values), target, negative, *chances
            )
            loss = tf.reduce_sum(losses) * weight
        return [loss, *tape.gradient(loss, [values, *self._trainable])]

    def _seed_draws(self, place: tf.Tensor) -> None:
        """Let what is drawn depend on the step and on the place of the part alone, whoever computes it."""
        step, first = tf.cast(self._steps, tf.int32), place * DRAWS_OF_PART
        for number, draws in enumerate(self._draws):
            state = tf.stack([step, first + number * DRAWS_OF_LAYER])
            draws.state.assign(tf.cast(state, draws.state.dtype))

    def _apply_slopes(self, rows: tf.Tensor, *slopes: tf.Tensor) -> None:
        self._steps.assign_add(1.0)
        self.rows_adam.apply(rows, slopes[0], self._steps)
        self._adam.apply_gradients(zip(slopes[1:], self.encoder.trainable_variables, strict=True))

    def _find_last(self, event: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
        states = self._encode(tf.gather(self.table, event), event > 0, training=False)
        return self._compared(tf.gather(states, last, batch_dims=1))

    def _encode(self, values: tf.Tensor, shown: tf.Tensor, training: bool) -> tf.Tensor:
        # Embeddings start with norm 1, which suits their products; layers expect entries of about 1.
        values *= tf.cast(shown, tf.float32)[..., None] * self.config.embedding_size**0.5
        return self.encoder(
            self.encoder.drop(values, training, self.config.embedding_dropout), training=training
        )

    def _compared(self, vectors: tf.Tensor) -> tf.Tensor:
        """With a temperature, products of what this gives are cosines divided by it."""
        vectors = tf.cast(vectors, tf.float32)
        if not self.config.temperature:
            return vectors
        return tf.math.l2_normalize(vectors, axis=-1) * self.config.temperature**-0.5


def _columns(step: Step, place: int) -> list[tf.Tensor]:
    part = step.parts[place] if place < len(step.parts) else Part.nothing()
    arrays = (np.int32(place), part.event, part.spot, part.target, part.target_log_chance, part.weight)
    return [tf.constant(array) for array in (*arrays, step.negative, step.negative_log_chance)]
