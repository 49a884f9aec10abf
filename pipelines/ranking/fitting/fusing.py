"""Learns how retrievers are fused, and guards against learning the noise.

Which forms of the scores are used is decided on users that the weights were not learned from: weights of each variant
come from one half of the users and are judged on the other. Of the variant that wins the mean of both
halves' weights is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.candidate_lists import CandidateLists
from pipelines.ranking.components import Component
from pipelines.ranking.fitting.fusion_weights import Rivals, learn_weights
from pipelines.ranking.fitting.weights import WeightsError
from pipelines.ranking.fusion import FORMS, Fusion, spread

Lists = Mapping[str, CandidateLists]
Targets = NDArray[np.int64]

DEPTH = 60
"""Candidates of each retriever that weights are learned on."""
USERS = 8_000
"""Users that weights are learned on, at most; drawn."""
CELLS = 8_000_000
"""Cells of a dense matrix that is held at a time."""

VARIANTS: tuple[tuple[str, ...], ...] = (tuple(FORMS), ("log_span",), ("place",))
"""Forms that may be used together; all of them first, since they mostly win."""


@dataclass(frozen=True)
class Learned:
    """A fusion and how it was judged.

    Attributes:
        fusion: The mean of both halves.
        halves: Two fusions of the same variant, each learned from the users with the same remainder of
            :attr:`half`; what is said of a user by the other half's fusion is not learned from that user.
        half: 0 or 1 for each user, shape ``(users,)``.
        judged: NDCG@10 by variant on users that it was not learned from, among the users whose target was listed.
    """

    fusion: Fusion
    halves: tuple[Fusion, Fusion]
    half: NDArray[np.int64]
    judged: Mapping[str, float]


def learn_fusion(
    lists: Lists, target: Targets, *, seed: int, is_over: Callable[[], bool] = lambda: False
) -> Learned:
    """Choose the forms, then the weights.

    Args:
        lists: Candidates by retriever, of the same users.
        target: What each user took next, shape ``(users,)``.
        seed: Of the halves.
        is_over: Whether the time is used up: no further variant is tried then.

    Raises:
        WeightsError: No retriever lists any target.
    """
    random = np.random.default_rng(seed)
    half = random.permutation(len(target)) % 2
    components = [Component(system, form) for system in lists for form in FORMS]
    listed = _listed(lists, target)
    if not listed.any():
        raise WeightsError("no target is among the candidates of any retriever: fit on more users")
    parts = [_draw(random, np.flatnonzero(listed & (half == side))) for side in (0, 1)]
    if not all(len(part) for part in parts):
        parts = [np.flatnonzero(listed)] * 2  # too few users to hold any back
    rivals = [find_rivals(lists, target, components, users) for users in parts]
    tried: dict[str, tuple[float, list[Fusion]]] = {}
    for forms in VARIANTS:
        if tried and is_over():
            break
        used = [place for place, component in enumerate(components) if component.scale in forms]
        tried["+".join(forms)] = _cross_fit(rivals, components, used)
    best = max(tried, key=lambda name: tried[name][0])
    judged = {name: quality for name, (quality, _) in tried.items()}
    halves = tried[best][1]
    return Learned(_mean_of(halves), (halves[0], halves[1]), half, judged)


def _cross_fit(
    rivals: Sequence[Rivals], components: Sequence[Component], used: list[int]
) -> tuple[float, list[Fusion]]:
    """Quality on the half that was not learned from, and the fusion of each half."""
    narrow = [one.only(used) for one in rivals]
    weights = [learn_weights(one) for one in narrow]
    quality = [narrow[1 - side].ndcg(narrow[1 - side].total(weights[side])) for side in (0, 1)]
    users = [len(one.present) for one in reversed(narrow)]
    named = [components[place] for place in used]
    fusions = [Fusion(dict(zip(named, one.tolist(), strict=True))) for one in weights]
    return float(np.average(quality, weights=users)), fusions


def _mean_of(halves: Sequence[Fusion]) -> Fusion:
    """The mean of both halves' weights: as learned from all, and less noisy than the better of them."""
    weights = {
        part: round(float(np.mean([fusion.weights[part] for fusion in halves])), 6)
        for part in halves[0].weights
    }
    return Fusion({part: weight for part, weight in weights.items() if weight > 0})


def _draw(random: np.random.Generator, users: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.sort(random.permutation(users)[: USERS // 2])


def _listed(lists: Lists, target: Targets) -> NDArray[np.bool_]:
    """Whether any retriever lists the target among its first places."""
    found = [(some.first(DEPTH).item == target[:, None]).any(axis=1) for some in lists.values()]
    return np.asarray(np.any(found, axis=0))


def find_rivals(
    lists: Lists, target: Targets, components: Sequence[Component], users: NDArray[np.int64]
) -> Rivals:
    """The other candidates of some users, by how far each component puts them ahead of the target."""
    step = max(1, CELLS // next(iter(lists.values())).items)
    parts = []
    for start in range(0, len(users), step):
        some = users[start : start + step]
        parts.append(
            _some_rivals({name: one.take(some) for name, one in lists.items()}, target[some], components)
        )
    width = max(part.present.shape[1] for part in parts)
    missing = [(0, width - part.present.shape[1]) for part in parts]
    lead = [np.pad(part.lead, ((0, 0), (0, 0), pad)) for part, pad in zip(parts, missing, strict=True)]
    present = [np.pad(part.present, ((0, 0), pad)) for part, pad in zip(parts, missing, strict=True)]
    return Rivals(np.concatenate(lead, axis=1), np.concatenate(present))


def _some_rivals(lists: Lists, target: Targets, components: Sequence[Component]) -> Rivals:
    some = next(iter(lists.values()))
    shape, everyone = (len(some), some.items), np.arange(len(some))
    member = np.zeros(shape, np.float32)
    for one in lists.values():
        near = one.first(DEPTH)
        spread(member, near, np.ones(near.item.shape, np.float32))
    member[everyone, target] = 0.0
    user, item = np.nonzero(member)
    count = np.bincount(user, minlength=len(some))
    spot = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    lead = np.zeros((len(components), len(some), int(count.max(initial=1))), np.float32)
    for place, component in enumerate(components):
        dense = np.zeros(shape, np.float32)
        spread(dense, lists[component.system], FORMS[component.scale](lists[component.system]))
        lead[place, user, spot] = dense[user, item] - dense[user, target[user]]
    present = np.zeros(lead.shape[1:], bool)
    present[user, spot] = True
    return Rivals(lead, present)
