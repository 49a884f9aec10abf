"""Stage: learn the blend on the validation fold, and put it on the parts refitted for the holdout fold.

The blend without its neural part is learned on the same candidates; its weights travel in the bundle.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipelines.domain import BundleError
from pipelines.evaluation.folds import Moment, read_folds
from pipelines.evaluation.truth import read_histories, read_truth
from pipelines.features.histories import Histories
from pipelines.params import load_params
from pipelines.ranking.blended import ABLATION, BLEND, BlendedRecommender
from pipelines.ranking.components import PLAIN, SEQUENCE, Component
from pipelines.ranking.fitting.assembly import Parts, assemble
from pipelines.ranking.fitting.weights import candidate_sets, learn_blend
from pipelines.releases.bento_build import modules_behind

ITEMS = Path("data/validated/items.parquet")
SCORING = Path("pipelines/ranking/score_histories.py")
Blends = dict[str, list[tuple[Component, float]]]


def main() -> None:
    """Blend in the workspace that is the current folder."""
    folds = read_folds()
    params = load_params().blend_candidate
    blends = learn_blends(folds["validation"], params.candidates_per_component, params.penalty)
    for name, weights in blends.items():
        print(
            f"{name}: " + ", ".join(f"{part.system} ({part.scale}) {weight:.3f}" for part, weight in weights)
        )
    fitted_through = folds["holdout"].week - 1
    sha256 = assemble(_parts("holdout"), blends, fitted_through, Path("models/candidate"), _code())
    print(f"candidate {sha256[:12]}, fitted through week {fitted_through}", flush=True)


def learn_blends(moment: Moment, depth: int, penalty: float) -> Blends:
    """Weights of the blend and of the blend without its neural part, on one fold."""
    components = [*PLAIN, SEQUENCE]
    unweighted: Blends = {BLEND: [(component, 1.0) for component in components]}
    with TemporaryDirectory() as folder:
        bundle = Path(folder) / "validation"
        assemble(_parts("validation"), unweighted, moment.week - 1, bundle, {})
        sets = candidate_sets(_scored(BlendedRecommender.load(bundle), moment), components, depth)
    plain = sets.without(components.index(SEQUENCE))
    return {
        BLEND: list(zip(components, learn_blend(sets, penalty).tolist(), strict=True)),
        ABLATION: list(zip(PLAIN, learn_blend(plain, penalty).tolist(), strict=True)),
    }


def _scored(
    recommender: BlendedRecommender, moment: Moment
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    truth = read_truth("validation")
    place = {str(item_id): at for at, item_id in enumerate(recommender.item_ids)}
    histories: Histories = read_histories("validation").take(np.array(sorted(truth.bought)))
    for history in histories:
        if raw := recommender.raw(history, moment.at_us):
            bought = [place[item] for item in truth.bought[history.user_id] if item in place]
            yield raw, np.array(sorted(bought), np.int64)


def _parts(fold: str) -> Parts:
    return Parts(Path("models/baselines") / fold, Path("models/sequence") / fold, ITEMS)


def _code() -> dict[Path, Path]:
    root = Path.cwd()
    found = [SCORING, *modules_behind(root, [root / SCORING])]
    if not all((root / module).is_file() for module in found):
        raise BundleError(f"{SCORING}: its modules are not all in {root}")
    return {module: root / module for module in found}


if __name__ == "__main__":
    main()
