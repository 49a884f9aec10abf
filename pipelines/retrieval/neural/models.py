"""The neural retrievers by name."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pipelines.retrieval.neural.attention import AttentionEncoder
from pipelines.retrieval.neural.retriever import NeuralRetriever


class Attention(NeuralRetriever):
    """Self-attention: SASRec (Kang and McAuley, 2018) with sampled softmax."""

    name = "attention"
    encoder = AttentionEncoder
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "embedding_size": (64, 128),
        "dropout": (0.2, 0.4),
        "length": (16, 32, 50),
    }


RETRIEVERS: dict[str, type[NeuralRetriever]] = {"attention": Attention}
