"""Computes the features of logged requests again, by the code of the bundle that answered them."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipelines.domain import History
from pipelines.evaluation.lists import run_own_code
from pipelines.features.histories import Histories
from pipelines.ranking.feature_values import FeatureValues
from pipelines.ranking.replay_features import Asked, load_values
from serving.served_features import ServedFeatures

MODULE = "pipelines.ranking.replay_features"
IN_BUNDLE = Path("code") / (MODULE.replace(".", "/") + ".py")


def name_of(number: int) -> str:
    """What the request of a number is called where it stands for a shopper: as text sorted like its number."""
    return f"{number:09d}"


def names_of(served: Sequence[ServedFeatures]) -> np.ndarray:
    """Names of requests, in their order."""
    return np.array([name_of(number) for number in range(len(served))], np.str_)


def compute_features(
    bundle: Path, histories: Histories, served: Sequence[ServedFeatures]
) -> list[FeatureValues]:
    """Features of each request.

    Args:
        bundle: Folder of the sealed bundle that answered, with ``code/``.
        histories: One a request, in their order.
        served: The requests: their moments and the items of their lists are asked for again.

    Raises:
        BundleError: The bundle is corrupt, or its code fails.
    """
    asked = Asked.of(
        [request.asked_at for request in served], [request.features.item_ids for request in served]
    )
    with TemporaryDirectory() as name:
        files = [Path(name) / f"{part}.npz" for part in ("histories", "asked", "values")]
        histories.save(files[0])
        asked.save(files[1])
        run_own_code(bundle, MODULE, *map(str, files))
        return load_values(files[2], asked)


def logged_histories(served: Sequence[ServedFeatures]) -> Histories:
    """The histories that the endpoint used, in the order of the requests."""
    used = [request.known.history for request in served]
    flat = Histories.from_columns(
        np.repeat(names_of(served), [len(history.items) for history in used]).astype(object),
        _joined(used, "items", np.dtype(np.str_)).astype(object),
        _joined(used, "times", np.dtype(np.int64)),
        _joined(used, "baskets", np.dtype(np.int32)),
    )
    return flat.take(names_of(served))


def _joined(histories: Sequence[History], column: str, kind: np.dtype) -> np.ndarray:
    return np.concatenate([getattr(history, column) for history in histories] or [np.array([], kind)])
