"""Shares the time of a run out between the systems."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.sequences.findings import LEAVE_ONE_OUT, Cost, Protocol
from benchmarks.sequences.systems import System

NEURAL_WEIGHT = 8.0
FINISH_SHARE = 0.12
"""Kept back for blending, intervals and the picture."""
CLOSING_SHARE = 0.03
"""Kept back for intervals and the picture, once the blends are learned."""
REFIT_SHARE = 0.6
"""Of a watched fit's time: it goes on past its best epoch and is judged after each, a later fit does neither."""


@dataclass(frozen=True)
class Plan:
    """How much each system may take.

    Attributes:
        seconds: Of the whole run.
        seeds: Wanted.
        protocol: Says what each seed is fitted and ranked for.
    """

    seconds: float
    seeds: int
    protocol: Protocol = LEAVE_ONE_OUT

    @property
    def finish(self) -> float:
        """Seconds kept back for the end."""
        return FINISH_SHARE * self.seconds

    @property
    def closing(self) -> float:
        """Seconds kept back when only intervals and the picture are left to make."""
        return CLOSING_SHARE * self.seconds

    def refits(self, system: System) -> float:
        """Fits of the chosen config after tuning; further seeds of what is quick are not worth counting."""
        later = 1 + (self.seeds - 1) * len(self.protocol.repeated)
        return REFIT_SHARE * later if system.is_neural else 1.0

    def share(self, left: float, rest: Sequence[System], done: Sequence[Cost]) -> float:
        """Seconds that the first of ``rest`` may take for tuning, its refits and its rankings.

        Args:
            left: Seconds left of the run.
            rest: The systems to come.
            done: What those that were tuned took; each owes a refit and a ranking, and what is drawn its further seeds.
        """
        ranking = max((cost.rank_seconds for cost in done), default=0.0)
        owed = sum(cost.fit_seconds + cost.rank_seconds for cost in done) + self._rankings * ranking * len(
            rest
        )
        owed += (self.seeds - 1) * self.seconds_of_a_seed(done)
        weights = [NEURAL_WEIGHT if system.is_neural else 1.0 for system in rest]
        return max(0.0, left - self.finish - owed) * weights[0] / sum(weights)

    def seconds_of_a_seed(self, costs: Sequence[Cost]) -> float:
        """Seconds that fitting and ranking all that is drawn takes with one more seed."""
        repeated = self.protocol.repeated
        fits, rankings = len(repeated), sum(len(answers) for answers in repeated)
        return sum(fits * cost.fit_seconds + rankings * cost.rank_seconds for cost in costs if cost.is_drawn)

    @property
    def _rankings(self) -> int:
        return len((*self.protocol.chosen, *self.protocol.refitted))
