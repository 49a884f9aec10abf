"""The sequence recommender: attention over baskets scores the catalog, a copy head scores what was bought before."""

import keras
import numpy as np
import tensorflow as tf

from pipelines.features.shopper import CONTEXT_FEATURES, HISTORY_FEATURES
from pipelines.retrieval.fitting.sequence_config import SequenceConfig
from pipelines.retrieval.sequence import FOURIER_DAYS, MAX_BASKETS

STATISTICS = 8
_H, _C = len(HISTORY_FEATURES), len(CONTEXT_FEATURES)

BATCH_SIGNATURE = {
    "item_row": tf.TensorSpec([None], tf.int32),
    "item_type": tf.TensorSpec([None], tf.int32),
    "item_statistics": tf.TensorSpec([None, STATISTICS], tf.float32),
    "context": tf.TensorSpec([None, _C], tf.float32),
    "bag_item": tf.TensorSpec([None], tf.int32),
    "bag_slot": tf.TensorSpec([None], tf.int32),
    "bag_age": tf.TensorSpec([None, MAX_BASKETS], tf.float32),
    "bag_present": tf.TensorSpec([None, MAX_BASKETS], tf.float32),
    "type_id": tf.TensorSpec([None], tf.int32),
    "type_group": tf.TensorSpec([None], tf.int32),
    "type_features": tf.TensorSpec([None, _H], tf.float32),
    "history_item": tf.TensorSpec([None], tf.int32),
    "history_group": tf.TensorSpec([None], tf.int32),
    "history_type_row": tf.TensorSpec([None], tf.int32),
    "history_features": tf.TensorSpec([None, _H], tf.float32),
    "history_label": tf.TensorSpec([None], tf.float32),
    "new_item": tf.TensorSpec([None], tf.int32),
    "new_group": tf.TensorSpec([None], tf.int32),
    "new_type_row": tf.TensorSpec([None], tf.int32),
    "negative_item": tf.TensorSpec([None], tf.int32),
    "negative_log_expected": tf.TensorSpec([None], tf.float32),
    "negative_free": tf.TensorSpec([None, None], tf.float32),
}


class WideDense(keras.layers.Dense):
    """A dense layer that multiplies in the precision of the policy (bfloat16 on a GPU) and answers in float32."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Apply the layer."""
        return tf.cast(super().call(inputs, training=training), tf.float32)


class SequenceModel(keras.Model):
    """Scores things bought before, new targets and shared negatives of a packed batch.

    score(item) = user . item + bias(item) + type_head(shopper, type) [+ copy_head(shopper, item) if bought before]
    """

    def __init__(self, config: SequenceConfig, rows: int, types: int, scaling: dict[str, np.ndarray]) -> None:
        """Creates the layers.

        Args:
            config: Sizes.
            rows: Item embedding rows.
            types: Item types.
            scaling: `<block>_shift` and `<block>_scale` for history, type, context and statistics features.
        """
        super().__init__(name="sequence")
        self.config = config
        self.scaling = {name: tf.constant(value, tf.float32) for name, value in scaling.items()}
        seeds = iter(range(1000 * config.seed, 1000 * config.seed + 100))
        self._seeds = seeds
        self.item_embedding = self._matrix("item_embedding", (rows, config.width), 0.05)
        self.item_bias = self._matrix("item_bias", (rows, 1), 0.0)
        self.type_embedding = self._matrix("type_embedding", (types, config.width), 0.05)
        self.age_slope = self._matrix("age_slope", (config.heads,), 0.0)
        self.time_weights = self._matrix("time_weights", (len(FOURIER_DAYS) * 2, config.heads), 0.02)
        self.query = self._dense("query", config.width)
        self.keys_ = self._dense("keys", config.width)
        self.values_ = self._dense("values", config.width)
        self.context_in = self._dense("context_in", config.width)
        self.feed_in = self._dense("feed_in", 2 * config.width, "relu")
        self.feed_out = self._dense("feed_out", config.width)
        self.bias_in = self._dense("bias_in", 16, "relu")
        self.bias_out = self._dense("bias_out", 1)
        self.type_project = self._dense("type_project", config.small)
        self.type_in = self._dense("type_in", 32, "relu")
        self.type_state = self._dense("type_state", config.small, "relu")
        self.type_out = self._dense("type_out", 1)
        self.item_project = self._dense("item_project", config.small)
        self.copy_in = self._dense("copy_in", config.hidden, "relu")
        self.copy_mid = self._dense("copy_mid", config.hidden // 2, "relu")
        self.copy_out = self._dense("copy_out", 1)
        self.copy_wide = self._matrix("copy_wide", (_H, 1), 0.0)
        self.copy_wide.assign(np.eye(_H, dtype=np.float32)[:, [HISTORY_FEATURES.index("decayed_95")]])
        self.drop = keras.layers.Dropout(config.dropout, seed=next(seeds))

    def _matrix(self, name: str, shape: tuple[int, ...], spread: float) -> keras.Variable:
        start = keras.initializers.RandomNormal(stddev=spread, seed=next(self._seeds)) if spread else "zeros"
        return self.add_weight(name=name, shape=shape, initializer=start)

    def _dense(self, name: str, units: int, activation: str | None = None) -> keras.layers.Dense:
        start = keras.initializers.GlorotUniform(seed=next(self._seeds))
        return WideDense(units, activation=activation, kernel_initializer=start, name=name)

    def _scaled(self, block: str, values: tf.Tensor) -> tf.Tensor:
        return (values - self.scaling[f"{block}_shift"]) * self.scaling[f"{block}_scale"]

    def encode(
        self, batch: dict[str, tf.Tensor], table: tf.Tensor, context: tf.Tensor, training: bool
    ) -> tf.Tensor:
        """The shopper's vector: attention over the latest baskets, biased by their age."""
        shoppers = tf.shape(context)[0]
        width, heads = self.config.width, self.config.heads
        rows = tf.gather(table, batch["bag_item"])
        slots = shoppers * MAX_BASKETS
        total = tf.math.unsorted_segment_sum(rows, batch["bag_slot"], slots)
        size = tf.math.unsorted_segment_sum(
            tf.ones_like(batch["bag_slot"], tf.float32), batch["bag_slot"], slots
        )
        baskets = tf.reshape(
            total * tf.math.rsqrt(tf.maximum(size, 1.0))[:, None], [shoppers, MAX_BASKETS, width]
        )
        fresh = batch["bag_present"] * tf.exp(-batch["bag_age"] / 40.0)
        mean = tf.einsum("bnd,bn->bd", baskets, fresh) / (tf.reduce_sum(fresh, 1, keepdims=True) + 1e-3)
        query = tf.reshape(self.query(mean) + self.context_in(context), [shoppers, heads, width // heads])
        keys = tf.reshape(self.keys_(baskets), [shoppers, MAX_BASKETS, heads, width // heads])
        values = tf.reshape(self.values_(baskets), [shoppers, MAX_BASKETS, heads, width // heads])
        logits = tf.einsum("bhd,bnhd->bhn", query, keys) / (width // heads) ** 0.5
        logits += tf.transpose(self.age_bias(batch["bag_age"]), [0, 2, 1])
        logits += (batch["bag_present"][:, None, :] - 1.0) * 1e9
        mixed = tf.reshape(tf.einsum("bhn,bnhd->bhd", tf.nn.softmax(logits), values), [shoppers, width])
        state = mixed + mean + self.context_in(context)
        return self.drop(state + self.feed_out(self.feed_in(state)), training=training)

    def age_bias(self, age: tf.Tensor) -> tf.Tensor:
        """Attention bias of each head for the age of a basket in days."""
        angle = age[..., None] * tf.constant([2 * np.pi / d for d in FOURIER_DAYS], tf.float32)
        waves = tf.concat([tf.sin(angle), tf.cos(angle)], axis=-1)
        return tf.einsum("bnf,fh->bnh", waves, self.time_weights) - age[..., None] / 7.0 * tf.nn.softplus(
            self.age_slope - 2.0
        )

    def call(
        self, batch: dict[str, tf.Tensor], training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Scores of history rows, new targets, and (shoppers, negatives)."""
        table = tf.gather(self.item_embedding, batch["item_row"]) + tf.gather(
            self.type_embedding, batch["item_type"]
        )
        statistics = self._scaled("statistics", batch["item_statistics"])
        context = self._scaled("context", batch["context"])
        user = self.encode(batch, table, context, training)
        bias = (
            self.bias_out(self.bias_in(statistics))[:, 0] + tf.gather(self.item_bias, batch["item_row"])[:, 0]
        )
        state, type_score = self.type_head(batch, context)
        with_none = tf.concat([type_score, tf.zeros([1])], 0)
        new = self._dot(user, table, bias, batch["new_group"], batch["new_item"])
        new += tf.gather(with_none, batch["new_type_row"])
        negative_table = tf.gather(table, batch["negative_item"])
        negative = tf.matmul(user, negative_table, transpose_b=True) + tf.gather(bias, batch["negative_item"])
        negative += self._type_scores_of_negatives(batch, type_score, tf.shape(user)[0])
        history = self._dot(user, table, bias, batch["history_group"], batch["history_item"])
        copied = self.copy_head(batch, table, statistics, context, state, history)
        # What was bought before is scored by its type and the copy head; the catalog score is only an input to it.
        history = tf.gather(type_score, batch["history_type_row"]) + copied
        return history, new, negative

    @staticmethod
    def _dot(
        user: tf.Tensor, table: tf.Tensor, bias: tf.Tensor, group: tf.Tensor, item: tf.Tensor
    ) -> tf.Tensor:
        return tf.reduce_sum(tf.gather(user, group) * tf.gather(table, item), -1) + tf.gather(bias, item)

    def type_head(self, batch: dict[str, tf.Tensor], context: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """State and score of each type the shopper has bought."""
        parts = [
            self._scaled("type", batch["type_features"]),
            tf.gather(context, batch["type_group"]),
            tf.gather(self.type_project(self.type_embedding), batch["type_id"]),
        ]
        state = self.type_state(self.type_in(tf.concat(parts, -1)))
        return state, self.type_out(state)[:, 0]

    def _type_scores_of_negatives(
        self, batch: dict[str, tf.Tensor], score: tf.Tensor, shoppers: tf.Tensor
    ) -> tf.Tensor:
        types = self.type_embedding.shape[0]
        slot = batch["type_group"] * types + batch["type_id"]
        dense = tf.scatter_nd(slot[:, None], score, [shoppers * types])
        wanted = tf.gather(batch["item_type"], batch["negative_item"])
        return tf.gather(tf.reshape(dense, [shoppers, types]), wanted, axis=1)

    def copy_head(
        self, batch: dict[str, tf.Tensor], table: tf.Tensor, statistics: tf.Tensor, context: tf.Tensor,
        state: tf.Tensor, match: tf.Tensor,
    ) -> tf.Tensor:  # fmt: skip
        """What buying an item before adds to its score."""
        per_item = tf.concat([self.item_project(table), statistics], -1)
        parts = [
            self._scaled("history", batch["history_features"]),
            tf.gather(per_item, batch["history_item"]),
            tf.gather(context, batch["history_group"]),
            tf.gather(state, batch["history_type_row"]),
            match[:, None],
        ]
        deep = self.copy_out(self.copy_mid(self.copy_in(tf.concat(parts, -1))))
        return (deep + tf.matmul(parts[0], self.copy_wide))[:, 0]

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One optimiser step on a packed batch."""
        with tf.GradientTape() as tape:
            history, new, negative = self(batch, training=True)
            loss = set_softmax_loss(batch, history, new, negative)
            loss += self.config.repeat_weight * repeat_softmax_loss(batch, history, tf.shape(negative)[0])
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        pairs = [
            (tf.convert_to_tensor(g), v) for g, v in zip(gradients, variables, strict=True) if g is not None
        ]
        gradients, variables = [g for g, _ in pairs], [v for _, v in pairs]
        self.optimizer.apply(gradients, variables)
        self._loss_tracker.update_state(loss)
        return {"loss": self._loss_tracker.result()}


def set_softmax_loss(
    batch: dict[str, tf.Tensor], history: tf.Tensor, new: tf.Tensor, negative: tf.Tensor
) -> tf.Tensor:
    """Cross-entropy between the softmax over the catalog and the set bought.

    History and targets enter the normaliser exactly; the rest of the catalog is estimated from the shared draws, each
    divided by how often it was expected to be drawn.
    """
    shoppers = tf.shape(negative)[0]
    corrected = negative - batch["negative_log_expected"] + (batch["negative_free"] - 1.0) * 1e9
    top = tf.maximum(
        tf.maximum(
            tf.math.unsorted_segment_max(history, batch["history_group"], shoppers),
            tf.math.unsorted_segment_max(new, batch["new_group"], shoppers),
        ),
        tf.reduce_max(corrected, 1),
    )
    top = tf.stop_gradient(top)
    mass = tf.math.unsorted_segment_sum(
        tf.exp(history - tf.gather(top, batch["history_group"])), batch["history_group"], shoppers
    )
    mass += tf.math.unsorted_segment_sum(
        tf.exp(new - tf.gather(top, batch["new_group"])), batch["new_group"], shoppers
    )
    mass += tf.reduce_sum(tf.exp(corrected - top[:, None]), 1)
    label = batch["history_label"]
    wanted = tf.math.unsorted_segment_sum(history * label, batch["history_group"], shoppers)
    wanted += tf.math.unsorted_segment_sum(new, batch["new_group"], shoppers)
    count = tf.math.unsorted_segment_sum(label, batch["history_group"], shoppers)
    count += tf.math.unsorted_segment_sum(tf.ones_like(new), batch["new_group"], shoppers)
    # Of a shopper who bought nothing that can be foretold there is nothing to learn, and no bound to how low the
    # scores could be pushed.
    per_shopper = tf.math.log(mass) + top - wanted / tf.maximum(count, 1.0)
    return tf.reduce_mean(tf.where(count > 0, per_shopper, 0.0))


def repeat_softmax_loss(batch: dict[str, tf.Tensor], history: tf.Tensor, shoppers: tf.Tensor) -> tf.Tensor:
    """Cross-entropy among the things bought before only, against the set bought again."""
    group, label = batch["history_group"], batch["history_label"]
    top = tf.stop_gradient(tf.math.unsorted_segment_max(history, group, shoppers))
    shifted = history - tf.gather(top, group)
    mass = tf.math.unsorted_segment_sum(tf.exp(shifted), group, shoppers)
    count = tf.math.unsorted_segment_sum(label, group, shoppers)
    wanted = tf.math.unsorted_segment_sum(shifted * label, group, shoppers)
    per_shopper = tf.math.log(tf.maximum(mass, 1e-9)) - wanted / tf.maximum(count, 1.0)
    return tf.reduce_mean(tf.where(count > 0, per_shopper, 0.0))
