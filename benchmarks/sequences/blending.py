"""The blends: of all systems, and of those without a neural part; weights are learned once, on validation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.sequences.findings import LISTED, Asked
from benchmarks.sequences.splits import Questions
from benchmarks.sequences.systems import BLEND, WITHOUT_NEURAL, System
from pipelines.evaluation.full_ranking import Ranking, rank_fusion
from pipelines.ranking.fitting.fusing import Learned, learn_fusion
from pipelines.ranking.fusion import Fusion

Rankings = Mapping[str, Ranking]

SEED = 1


@dataclass(frozen=True)
class Blend:
    """One blend with its learned weights."""

    name: str
    learned: Learned

    def rank(self, asked: Asked, questions: Questions, rankings: Rankings) -> Ranking:
        """Rank with the weights; on validation each half with the weights that the other half gave."""
        lists = {name: ranking.lists for name, ranking in rankings.items()}

        def ranked(fusion: Fusion, users: np.ndarray) -> Ranking:
            some = {name: one.take(users) for name, one in lists.items()}
            return rank_fusion(fusion, some, questions.target[users], depth=LISTED)

        if asked.split != "validation":
            return ranked(self.learned.fusion, np.arange(len(questions)))
        sides = [np.flatnonzero(self.learned.half == side) for side in (0, 1)]
        parts = [
            ranked(self.learned.halves[1 - side], users) for side, users in enumerate(sides) if len(users)
        ]
        back = np.argsort(np.concatenate(sides))
        return Ranking.joined(parts).take(back)


def members_of_blends(systems: Sequence[System]) -> dict[str, list[str]]:
    """The systems of each blend; a blend of one system, or of the same ones as another, is none."""
    members = {BLEND: [system.name for system in systems]}
    plain = [system.name for system in systems if not system.is_neural]
    if len(plain) < len(systems):
        members[WITHOUT_NEURAL] = plain
    return {name: found for name, found in members.items() if len(found) > 1}


def learn_blend(
    name: str, rankings: Rankings, questions: Questions, is_over: Callable[[], bool] = lambda: False
) -> Blend:
    """Learn one blend on the validation items.

    Args:
        name: Of the blend.
        rankings: Of its members, on validation.
        questions: The validation items.
        is_over: Whether the time is used up.
    """
    lists = {system: ranking.lists for system, ranking in rankings.items()}
    return Blend(name, learn_fusion(lists, questions.target, seed=SEED, is_over=is_over))
