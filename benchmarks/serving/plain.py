"""The peer: the same model and the same state as BentoML's own service, as its guide shows it.

It logs nothing, neither impressions nor features, and has no filters, keys or metrics of ours.
"""

import os
from typing import Any

from serving import one_thread  # noqa: F401  before what imports NumPy

import bentoml  # isort: skip
import msgspec  # isort: skip

from benchmarks.serving.echo import leave_model_out_if_asked
from benchmarks.serving.systems import PEER_WORKERS
from serving.clock import ServingClock
from serving.environment import read_environment
from serving.recommender import Recommender
from serving.sqlite_state import SqliteState

leave_model_out_if_asked()


@bentoml.service(
    workers=int(os.environ.get(PEER_WORKERS, "1")), traffic={"timeout": 60}, metrics={"enabled": False}
)
class Plain:
    """Recommendations by two ways of writing them."""

    def __init__(self) -> None:
        environment = read_environment()
        self._state = SqliteState(environment.state_file)
        self._clock = ServingClock(environment.clock_file)
        self._recommender = Recommender(environment.bundle)

    @bentoml.api(route="/v1/recommendations")
    async def recommendations(self, user_id: str, k: int = 10) -> dict[str, Any]:
        """In the event loop."""
        return self._list(user_id, k)

    @bentoml.api(route="/threaded")
    def threaded(self, user_id: str, k: int = 10) -> dict[str, Any]:
        """In BentoML's threads."""
        return self._list(user_id, k)

    def _list(self, user_id: str, k: int) -> dict[str, Any]:
        ranked = self._recommender.recommend(self._state.history(user_id), self._clock.now(), k)
        return {
            "source": ranked.source,
            "items": [msgspec.to_builtins(item) for item in self._recommender.named(ranked)],
        }
