"""Size and training of the sequence model, from ``params.yaml``."""

from dataclasses import dataclass

from pipelines.params import TrainSequence


@dataclass(frozen=True)
class SequenceConfig:
    """What a fit depends on besides the data.

    Attributes:
        width: Embedding size.
        heads: Attention heads; they divide ``width``.
        hidden: Hidden units of the copy head.
        small: Size of projected embeddings and of the type state inside the heads.
        dropout: On the shopper's vector.
        minimum: Purchases an item needs for an embedding of its own.
        target_weeks: How many of the last weeks serve as targets.
        epochs: Passes over the target weeks.
        batch: Shoppers per step.
        negatives: Items drawn once for the whole batch.
        rate: Peak learning rate.
        decay: Weight decay of AdamW.
        repeat_weight: Weight of the loss among things bought before.
        seed: Of the start, the order and the draws.
    """

    width: int
    heads: int
    hidden: int
    small: int
    dropout: float
    minimum: int
    target_weeks: int
    epochs: int
    batch: int
    negatives: int
    rate: float
    decay: float
    repeat_weight: float
    seed: int

    @classmethod
    def of(cls, params: TrainSequence) -> "SequenceConfig":
        """The chosen size with the training choices."""
        size = params.sizes[params.model_size]
        return cls(
            **size.model_dump(),
            dropout=params.dropout,
            minimum=params.minimum_purchases,
            target_weeks=params.target_weeks,
            epochs=params.epochs,
            batch=params.batch,
            negatives=params.negatives,
            rate=params.learning_rate,
            decay=params.weight_decay,
            repeat_weight=params.repeat_weight,
            seed=params.seed,
        )
