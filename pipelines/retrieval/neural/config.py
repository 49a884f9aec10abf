"""Size and training choices of the neural sequence retrievers.

The defaults were chosen on the validation items of Amazon Beauty: cosines with a low temperature and half of what
enters the encoder dropped weigh most; a wider embedding learns faster and ends lower.
"""

from dataclasses import dataclass, replace
from typing import Literal

Size = Literal["small", "base", "large"]

SIZES: dict[Size, tuple[int, int, int]] = {"small": (32, 1, 1), "base": (64, 1, 1), "large": (256, 3, 4)}


@dataclass(frozen=True)
class NeuralConfig:
    """What a fit depends on besides the data and the seed.

    Attributes:
        embedding_size: Of items and of states.
        blocks: Layers of the encoder.
        heads: Attention heads; they divide ``embedding_size``. Recurrent and convolutional encoders have none.
        length: Latest events that a state sees.
        dropout: Inside the encoder.
        embedding_dropout: On the embeddings that enter the encoder.
        item_dropout: Share of the events that are hidden from the encoder while training.
        temperature: Logits are cosines divided by it; 0: plain dot products.
        negatives: Items drawn for a step, shared by all of its positions.
        popularity: Negatives are drawn in proportion to how often an item occurs, to this power.
        batch: Positions of one step.
        accumulate: Parts of a step that are computed one after the other, for less memory.
        learning_rate: Of Adam.
        weight_decay: Decoupled from the gradient; of embeddings only where a step touches them.
        averaging: Share that the running average of the weights keeps at each epoch; 0: the last weights.
        epochs: Passes over the data.
        patience: Epochs without a better judgement after which a watched fit ends.
        precision: In which the encoder multiplies; variables and logits stay float32.
    """

    embedding_size: int = 64
    blocks: int = 1
    heads: int = 1
    length: int = 32
    dropout: float = 0.2
    embedding_dropout: float = 0.5
    item_dropout: float = 0.0
    temperature: float = 0.05
    negatives: int = 1024
    popularity: float = 0.75
    batch: int = 1024
    accumulate: int = 1
    learning_rate: float = 5e-3
    weight_decay: float = 0.0
    averaging: float = 0.7
    epochs: int = 30
    patience: int = 5
    precision: Literal["float32", "bfloat16"] = "float32"

    def sized(self, size: Size) -> "NeuralConfig":
        """The same choices at another size."""
        embedding_size, blocks, heads = SIZES[size]
        return replace(self, embedding_size=embedding_size, blocks=blocks, heads=heads)
