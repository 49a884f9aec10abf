"""Stage: learn the blend on the validation fold, and put it on the parts refitted for the holdout fold.

The blend without its neural part is learned on the same candidates; its weights travel in the bundle.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from pipelines.contracts import CONTRACTS
from pipelines.domain import BundleError
from pipelines.evaluation.folds import Moment, read_folds
from pipelines.evaluation.responses import read_campaigns
from pipelines.evaluation.truth import read_histories, read_truth
from pipelines.features.history_view import VIEW
from pipelines.params import BlendCandidate, load_params
from pipelines.ranking.blended import ABLATION, BLEND, BlendedRecommender
from pipelines.ranking.components import COMPONENTS, COSTLY, PLAIN, SEQUENCE, Component
from pipelines.ranking.fitting.assembly import Parts, assemble
from pipelines.ranking.fitting.campaigns import told_promotions
from pipelines.ranking.fitting.weights import CandidateSets, candidate_sets, learn_blend, ndcg
from pipelines.ranking.list_rules import ListRules
from pipelines.releases.bento_build import modules_behind

ITEMS, PROMOTIONS = Path("data/validated/items.parquet"), Path("data/validated/promotions.parquet")
SCORING = Path("pipelines/ranking/score_histories.py")
REPLAYING = Path("pipelines/ranking/replay_features.py")
HISTORIES = Path("pipelines/features") / f"{VIEW}.sql"
Blends = dict[str, list[tuple[Component, float]]]


def main() -> None:
    """Blend in the workspace that is the current folder."""
    folds = read_folds()
    everything = load_params()
    params, rules = everything.blend_candidate, ListRules(**everything.recommend.model_dump())
    blends = learn_blends(folds["validation"], params)
    for name, weights in blends.items():
        print(
            f"{name}: " + ", ".join(f"{part.system} ({part.scale}) {weight:.3f}" for part, weight in weights)
        )
    fitted_through = folds["holdout"].week - 1
    code = bundle_code(Path.cwd())
    versions = {name: contract.version for name, contract in CONTRACTS.items()}
    sha256 = assemble(
        _parts("holdout"),
        blends,
        fitted_through,
        Path("models/candidate"),
        code,
        rules,
        versions,
        scenarios={
            "complements": everything.complements.model_dump(),
            "search": everything.search_items.model_dump(),
            "new_arrivals": everything.new_arrivals.model_dump(),
        },
        promotions=told_promotions(
            read_campaigns("holdout", folds["holdout"], everything.promotions),
            PROMOTIONS,
            everything.promotions.limits(),
        ),
        fitted_through_us=folds["holdout"].at_us,
    )
    print(f"candidate {sha256[:12]}, fitted through week {fitted_through}", flush=True)


def learn_blends(moment: Moment, params: BlendCandidate) -> Blends:
    """Weights of the blend and of the blend without its neural part, on one fold."""
    chosen = [component for component in COMPONENTS if component.system in params.parts]
    unweighted: Blends = {BLEND: [(component, 1.0) for component in chosen]}
    with TemporaryDirectory() as folder:
        bundle = Path(folder) / "validation"
        assemble(_parts("validation"), unweighted, moment.week - 1, bundle, {})
        scored = _scored(BlendedRecommender.load(bundle), moment)
        sets = candidate_sets(scored, chosen, params.candidates_per_component)
    return weigh(sets, chosen, params.penalty, params.worth)


def weigh(sets: CandidateSets, chosen: Sequence[Component], penalty: float, worth: float) -> Blends:
    """Both blends over all components: what was not chosen is judged by the gate, but has no weight.

    The blend without the neural part may ask every other part, whatever that costs: it is only compared with.

    Args:
        sets: Candidates with a column for each of ``chosen``.
        chosen: Components that may get a weight, the neural one among them.
        penalty: Of :func:`~pipelines.ranking.fitting.weights.learn_weights`.
        worth: NDCG@10 that a costly system has to add.
    """
    whole = _learn(sets, chosen, penalty)
    for system in COSTLY:
        if any(weight > 0 for part, weight in whole.weights.items() if part.system == system):
            kept = [part for part in chosen if part in whole.weights and part.system != system]
            without = _learn(sets.only([chosen.index(part) for part in kept]), kept, penalty)
            print(f"{system} adds {whole.quality - without.quality:.5f} NDCG@10, worth its time is {worth:g}")
            if whole.quality - without.quality < worth:
                whole = without
    plain = [part for part in chosen if part != SEQUENCE]
    ablation = _learn(sets.only([chosen.index(part) for part in plain]), plain, penalty)
    return {
        BLEND: [(part, whole.weights.get(part, 0.0)) for part in COMPONENTS],
        ABLATION: [(part, ablation.weights.get(part, 0.0)) for part in PLAIN],
    }


class _Learned(NamedTuple):
    weights: dict[Component, float]
    quality: float


def _learn(sets: CandidateSets, parts: Sequence[Component], penalty: float) -> _Learned:
    weights = learn_blend(sets, penalty)
    return _Learned(dict(zip(parts, weights.tolist(), strict=True)), ndcg(sets.values @ weights, sets))


def _scored(
    recommender: BlendedRecommender, moment: Moment
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    histories = read_histories("validation", moment)
    truth = read_truth("validation", histories)
    place = {str(item_id): at for at, item_id in enumerate(recommender.item_ids)}
    for history in histories.take(np.array(sorted(truth.bought))):
        if raw := recommender.raw(history, moment.at_us):
            bought = [place[item] for item in truth.bought[history.user_id] if item in place]
            yield raw, np.array(sorted(bought), np.int64)


def _parts(fold: str) -> Parts:
    models, prices = Path("models"), Path("data/features") / fold / "item_prices.parquet"
    return Parts(models / "baselines" / fold, models / "sequence" / fold, ITEMS, prices)


def bundle_code(root: Path) -> dict[Path, Path]:
    """What scores with a bundle and replays it, and the view of its histories: where each file goes, and is.

    Raises:
        BundleError: A file is not below ``root``.
    """
    run = (SCORING, REPLAYING)
    found = [*run, HISTORIES, *modules_behind(root, [root / file for file in run])]
    missing = [str(file) for file in found if not (root / file).is_file()]
    if missing:
        raise BundleError(f"{root}: lacks {', '.join(missing)}, which a bundle carries")
    return {file: root / file for file in found}


if __name__ == "__main__":
    main()
