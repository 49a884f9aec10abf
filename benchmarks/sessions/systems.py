"""Which retrievers are measured."""

from collections.abc import Mapping

from benchmarks.sequences.systems import System, all_systems


def session_systems() -> Mapping[str, System]:
    """Every retriever by its name."""
    return all_systems()
