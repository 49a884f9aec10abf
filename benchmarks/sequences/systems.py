"""Which retrievers are measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.retrieval.collaborative import COLLABORATIVE
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Retriever

BASELINE = "popularity"
BLEND = "blend"
WITHOUT_NEURAL = "blend_without_neural"


@dataclass(frozen=True)
class System:
    """A retriever that can be measured.

    Attributes:
        name: As reports name it.
        make: Builds one from a config.
        config: Where tuning begins.
        is_neural: Whether it is trained in rounds by gradients: it gets most of the time.
    """

    name: str
    make: Callable[[Any], Retriever]
    config: Any
    is_neural: bool = False


def all_systems() -> Mapping[str, System]:
    """Every retriever by its name: what is quick to fit first, so that the time it leaves goes to the others."""
    # Here, since TensorFlow takes seconds to import and bad input is to be told at once.
    from pipelines.retrieval.neural.config import NeuralConfig
    from pipelines.retrieval.neural.models import RETRIEVERS

    plain = {name: System(name, make, make().config) for name, make in COLLABORATIVE.items()}
    neural = {name: System(name, kind, NeuralConfig(), is_neural=True) for name, kind in RETRIEVERS.items()}
    return plain | neural


def tokens_of(config: Any, events: int) -> int:
    """Events that one fit goes through."""
    return events * int(getattr(config, "epochs", 1))


def depends_on_seed(
    make: Callable[..., Retriever], config: Any, train: Interactions, users: int = 200
) -> bool:
    """Whether two seeds give two results, on the first few users and their items alone."""
    rows = train.take(np.arange(min(users, len(train))))
    known, item = np.unique(rows.item, return_inverse=True)
    small = Interactions(rows.offsets, item.astype(np.int32), rows.moment, max(1, len(known)))
    scores = []
    for seed in (1, 2):
        retriever = make(config)
        retriever.fit(small, seed=seed)
        scores.append(retriever.score(small.take(np.arange(min(20, len(small))))))
    return not np.array_equal(*scores)
