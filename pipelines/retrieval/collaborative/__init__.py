"""Retrievers that need no gradient: counts, neighbours, closed forms and factorisations. NumPy and SciPy."""

from collections.abc import Callable, Mapping

from pipelines.retrieval.collaborative.als import Als
from pipelines.retrieval.collaborative.ease import Ease
from pipelines.retrieval.collaborative.graph import Graph
from pipelines.retrieval.collaborative.item_neighbours import ItemNeighbours
from pipelines.retrieval.collaborative.markov import Markov
from pipelines.retrieval.collaborative.popularity import Popularity
from pipelines.retrieval.collaborative.session_neighbours import SessionNeighbours
from pipelines.retrieval.collaborative.user_neighbours import UserNeighbours
from pipelines.retrieval.retriever import Retriever

COLLABORATIVE: Mapping[str, Callable[..., Retriever]] = {
    kind.name: kind
    for kind in (Popularity, Markov, ItemNeighbours, UserNeighbours, SessionNeighbours, Ease, Als, Graph)
}
"""Each class by its name; called with its config, or with nothing for the defaults."""
