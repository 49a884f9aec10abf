"""Which retrievers are measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.retrieval.collaborative import COLLABORATIVE
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Retriever, Scores

BASELINE = "popularity"
BLEND = "blend"
WITHOUT_NEURAL = "blend_without_neural"
NEURAL = ("attention",)


@dataclass(frozen=True)
class System:
    """A retriever that can be measured.

    Attributes:
        name: As reports name it.
        make: Builds one from a config.
        config: Where tuning begins.
        is_neural: Whether it is trained in rounds by gradients: it gets most of the time.
        is_settled: Whether the config is fitted as it is: an earlier run has made the choices.
    """

    name: str
    make: Callable[[Any], Retriever]
    config: Any
    is_neural: bool = False
    is_settled: bool = False


def plain_systems() -> dict[str, System]:
    """What is quick to fit, by name."""
    return {name: System(name, make, make().config) for name, make in COLLABORATIVE.items()}


def all_systems() -> dict[str, System]:
    """Every retriever by its name: what is quick to fit first, so that the time it leaves goes to the others."""
    # Here, since TensorFlow takes seconds to import.
    from pipelines.retrieval.neural.config import NeuralConfig
    from pipelines.retrieval.neural.models import RETRIEVERS

    neural = {name: System(name, kind, NeuralConfig(), is_neural=True) for name, kind in RETRIEVERS.items()}
    return plain_systems() | neural


def select_systems(names: Sequence[str] | None) -> list[System]:
    """The systems of some names, in the order in which they are measured; without names those of the default.

    Raises:
        ValueError: There is no system of a name.
    """
    known = plain_systems()
    if names is None or not set(names) <= set(known):
        known = all_systems()
    strange = [name for name in names or [] if name not in known]
    if strange:
        raise ValueError(f"--models: expected some of {', '.join(known)}, found {strange[0]!r}")
    wanted = names or default_names(known)
    return [system for name, system in known.items() if name in wanted]


def default_names(systems: Mapping[str, System]) -> list[str]:
    """All that is not neural, and of the neural ones :data:`NEURAL`: several would each get too little time."""
    return [name for name, system in systems.items() if not system.is_neural or name in NEURAL]


def tokens_of(config: Any, events: int) -> int:
    """Events that one fit goes through."""
    return events * int(getattr(config, "epochs", 1))


def depends_on_seed(
    make: Callable[[Any], Retriever], config: Any, train: Interactions, users: int = 200
) -> bool:
    """Whether two seeds give two results, on the first few users and their items alone; so if that is too little."""
    rows = train.take(np.arange(min(users, len(train))))
    known, item = np.unique(rows.item, return_inverse=True)
    small = Interactions(rows.offsets, item.astype(np.int32), rows.moment, max(1, len(known)))
    try:
        return not np.array_equal(*(_scores(make(config), small, seed) for seed in (1, 2)))
    except Exception:  # a model may refuse so few rows; that it is fitted again does no harm
        return True


def _scores(retriever: Retriever, train: Interactions, seed: int) -> Scores:
    retriever.fit(train, seed=seed)
    return retriever.score(train.take(np.arange(min(20, len(train)))))
