"""Before a process is ready, it makes the lists of those who were served last."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain import History, RankedList
from pipelines.releases.rehearsal import set_clock
from serving.environment import Environment
from serving.plane import DataPlane
from serving.recommender import Recommender
from serving.sqlite_state import SqliteState
from tests.serving.tiny_bundle import NOW, tea_drinker, write_tiny_bundle


def test_plane__that_starts_again_has_made_the_lists_of_its_latest_shoppers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    set_clock(tmp_path, NOW)
    environment = Environment(
        state_file=tmp_path / "shopper.db", clock_file=tmp_path / "clock.json", bundle=tmp_path / "bundle"
    )
    state = SqliteState(environment.state_file)
    state.replace_histories([tea_drinker("1"), tea_drinker("2")])
    state.close()
    asked: list[History] = []
    recommend = Recommender.recommend

    def watched(self: Recommender, history: History, *given: Any) -> RankedList:
        asked.append(history)
        return recommend(self, history, *given)

    monkeypatch.setattr(Recommender, "recommend", watched)

    async def serve(*shoppers: str) -> None:
        plane = DataPlane(environment)
        for shopper in shoppers:
            await plane.recommendations(f'{{"user_id": "{shopper}"}}'.encode(), "r")
        await plane.similar_items(b'{"item_id": "50"}', "r")
        plane.close()

    asyncio.run(serve("1", "2", "1"))
    asked.clear()
    asyncio.run(serve())
    assert [history.user_id for history in asked] == ["1", "2"]
    assert [len(history.items) for history in asked] == [3, 3]
