"""Adam on the rows of a table that a step touches; the cost of a step does not grow with the table."""

import tensorflow as tf


class RowsAdam:
    """Lazy Adam (Kingma and Ba, 2015) with decoupled weight decay (Loshchilov and Hutter, 2019).

    Rows that a step does not touch keep their values and their moments. Where every step touches all rows it is
    Adam. Moments of one row are one row of a single table, so that a step gathers and scatters twice only.
    """

    def __init__(self, table: tf.Variable, learning_rate: float, weight_decay: float = 0.0) -> None:
        """Give every row of ``table``, shape ``(rows, size)``, moments of zero."""
        self.table = table
        self.moments = tf.Variable(tf.zeros([table.shape[0], 2 * table.shape[1]]), trainable=False)
        self._rate, self._decay = learning_rate, weight_decay

    def gather(self, rows: tf.Tensor) -> tf.Tensor:
        """Values of some rows, shape ``(n, size)``."""
        return tf.gather(self.table, rows)

    def apply(self, rows: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor) -> None:
        """Move some rows.

        Args:
            rows: Each at most once, shape ``(n,)``.
            gradient: Of the loss by their values, shape ``(n, size)``.
            step: Number of this step as a float, 1 for the first.
        """
        first, second = tf.split(tf.gather(self.moments, rows), 2, axis=1)
        first += (1 - FIRST) * (gradient - first)
        second += (1 - SECOND) * (tf.square(gradient) - second)
        rate = self._rate * tf.sqrt(1 - tf.pow(SECOND, step)) / (1 - tf.pow(FIRST, step))
        values = self.gather(rows)
        values -= rate * first / (tf.sqrt(second) + EPSILON) + self._rate * self._decay * values
        self.moments.scatter_update(tf.IndexedSlices(tf.concat([first, second], axis=1), rows))
        self.table.scatter_update(tf.IndexedSlices(values, rows))


FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-7
