"""Sampled softmax with negatives that all positions of a step share."""

import tensorflow as tf

NEVER = -1e9


def sampled_softmax(
    states: tf.Tensor,
    embeddings: tf.Tensor,
    target: tf.Tensor,
    negative: tf.Tensor,
    target_log_chance: tf.Tensor,
    negative_log_chance: tf.Tensor,
) -> tf.Tensor:
    """Cross-entropy of each target against the drawn items, corrected for how they were drawn.

    The correction is that of Bengio and Senécal (2008); a drawn item that is the target itself is left out.

    Args:
        states: Shape ``(targets, size)``.
        embeddings: Of the step's rows, shape ``(rows, size)``.
        target: Place in the rows, shape ``(targets,)``.
        negative: Places in the rows, shape ``(negatives,)``.
        target_log_chance: Log of how often the target is expected among the drawn, shape ``(targets,)``.
        negative_log_chance: The same of the drawn, shape ``(negatives,)``.

    Returns:
        Losses, shape ``(targets,)``.
    """
    wanted = tf.reduce_sum(states * tf.gather(embeddings, target), axis=1) - target_log_chance
    others = tf.matmul(states, tf.gather(embeddings, negative), transpose_b=True) - negative_log_chance
    others = tf.where(target[:, None] == negative[None, :], NEVER, others)
    return tf.nn.softplus(tf.reduce_logsumexp(others, axis=1) - wanted)
