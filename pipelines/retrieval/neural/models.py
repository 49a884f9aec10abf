"""The neural retrievers by name."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pipelines.retrieval.neural.attention import AttentionEncoder
from pipelines.retrieval.neural.convolution import ConvolutionEncoder
from pipelines.retrieval.neural.ligr import LigrEncoder
from pipelines.retrieval.neural.recurrent import GruEncoder, LstmEncoder
from pipelines.retrieval.neural.retriever import NeuralRetriever

Choices = Mapping[str, tuple[Any, ...]]


class Attention(NeuralRetriever):
    """Self-attention: SASRec (Kang and McAuley, 2018) with sampled softmax."""

    name = "attention"
    encoder = AttentionEncoder
    choices: ClassVar[Choices] = {
        "embedding_size": (64, 128),
        "embedding_dropout": (0.3, 0.5, 0.7),
        "temperature": (0.05, 0.07),
        "item_dropout": (0.0, 0.2),
    }


class Ligr(NeuralRetriever):
    """LiGR with sampled softmax, as in eSASRec (RecSys 2025)."""

    name = "ligr"
    encoder = LigrEncoder
    choices: ClassVar[Choices] = Attention.choices


class Gru(NeuralRetriever):
    """GRU4Rec (Hidasi et al., 2016) with sampled softmax."""

    name = "gru"
    encoder = GruEncoder
    choices: ClassVar[Choices] = Attention.choices


class Lstm(NeuralRetriever):
    """Long short-term memory with sampled softmax."""

    name = "lstm"
    encoder = LstmEncoder
    choices: ClassVar[Choices] = Attention.choices


class Convolution(NeuralRetriever):
    """NextItNet (Yuan et al., WSDM 2019) with sampled softmax."""

    name = "convolution"
    encoder = ConvolutionEncoder
    choices: ClassVar[Choices] = Attention.choices


RETRIEVERS: dict[str, type[NeuralRetriever]] = {
    model.name: model for model in (Attention, Ligr, Gru, Lstm, Convolution)
}
