"""Which retrievers are measured on sessions, and where the tuning of neural ones begins."""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.sequences.systems import System, select_systems

DEFAULT = ("popularity", "markov", "item_neighbours", "session_neighbours", "attention")
"""What is made for short rows of many strangers; the others would take the time from these."""


def session_systems(names: Sequence[str] | None) -> list[System]:
    """The systems of some names, in the order in which they are measured; without names those of :data:`DEFAULT`.

    Raises:
        ValueError: There is no system of a name.
    """
    return [_beginning(system) for system in select_systems(names or DEFAULT)]


def _beginning(system: System) -> System:
    """Many short rows hardly overfit: a wider table and less dropout than where few long ones are learned from."""
    if not system.is_neural:
        return system
    config = replace(
        system.config,
        embedding_size=128,
        length=20,
        embedding_dropout=0.2,
        temperature=0.07,
        negatives=2048,
        learning_rate=2e-3,
        averaging=0.0,
    )
    return replace(system, config=config)
