"""The devices and the workers that share a fit, by ``tf.distribute``."""

import functools
import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

LOST = (tf.errors.UnavailableError, tf.errors.AbortedError)
"""What a collective raises when another worker is gone."""


class DistributionError(Exception):
    """The workers cannot train together; the message says why and what to do."""


class Replicas:
    """Each computes its own parts of every step; their sum is applied once by each process.

    Variables are this process's own, on its first device. They stay equal over workers because all begin with the
    same seed and apply the same sums. A strategy gives the devices and the sums.

    Attributes:
        count: Over all workers.
        own: Numbers of those in this process.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None) -> None:
        """Ask the strategy who is there; without one this process trains alone on one device."""
        self.own = [0]
        self.count = strategy.num_replicas_in_sync if strategy else 1
        if strategy:
            self._strategy, self.own = strategy, _own_replicas(strategy)
            self._sum_vector = tf.function(
                lambda vector: self.sum(tf.identity, [[vector]] * len(self.own)),
                input_signature=[tf.TensorSpec([None], tf.float64)],
            )

    @property
    def is_chief(self) -> bool:
        """Whether this process writes checkpoints, and its judgement counts."""
        return self.own[0] == 0

    def sum(self, find: Callable[..., tf.Tensor], columns: Sequence[Sequence[tf.Tensor]]) -> tf.Tensor:
        """Inside of a ``tf.function``: what each replica finds, added up over all workers.

        Args:
            find: Gives a vector, of one shape on every replica.
            columns: Its arguments for each of the own replicas.
        """

        def mine(context: tf.distribute.experimental.ValueContext) -> list[tf.Tensor]:
            return list(columns[self.own.index(context.replica_id_in_sync_group)])

        own = self._strategy.experimental_distribute_values_from_function(mine)
        return self._strategy.reduce("SUM", self._strategy.run(find, args=tuple(own)), axis=None)

    def gather(self, value: float) -> NDArray[np.float64]:
        """The value of every worker, the chief's first; every worker has to call it.

        Raises:
            tf.errors.OpError: One of ``LOST``, if a worker is gone.
        """
        if len(self.own) == self.count:
            return np.array([value])
        values = np.zeros(self.count // len(self.own))
        values[self.own[0] // len(self.own)] = value
        found: NDArray[np.float64] = self._sum_vector(tf.constant(values)).numpy()
        return found / len(self.own)

    def agree(self, value: float) -> float:
        """The chief's value."""
        return float(self.gather(value)[0])


def _own_replicas(strategy: tf.distribute.Strategy) -> list[int]:
    found = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )
    return [int(number) for number in strategy.experimental_local_results(found)]


@functools.cache
def find_replicas() -> Replicas:
    """The workers that ``TF_CONFIG`` names, else the GPUs of this machine; cached, as a process joins once.

    Raises:
        DistributionError: ``TF_CONFIG`` is set and TensorFlow has been used before.
    """
    if os.environ.get("TF_CONFIG"):
        try:
            return Replicas(tf.distribute.MultiWorkerMirroredStrategy())
        except RuntimeError as error:
            raise DistributionError(
                f"TF_CONFIG names workers, but they cannot be joined any more ({error}): call fit, or "
                "find_replicas of pipelines.retrieval.neural.replicas, before any other work of TensorFlow"
            ) from error
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return Replicas()
    return Replicas(tf.distribute.MirroredStrategy([device.name for device in devices]))
