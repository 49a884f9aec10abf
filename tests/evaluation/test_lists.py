"""A bundle is scored by the code that it carries, whatever the checkout holds."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.domain import BundleError
from pipelines.evaluation.lists import score_bundle
from pipelines.features.histories import Histories
from pipelines.ranking.bundle import seal
from pipelines.stages.blend_candidate import SCORING, bundle_code
from tests.serving.tiny_bundle import NOW, tea_drinker, write_tiny_bundle

RANKING = "code/pipelines/ranking/list_rules.py"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The tiny bundle with this checkout's scoring code in it."""
    write_tiny_bundle(tmp_path / "bundle")
    for target, source in bundle_code(Path(__file__).parents[2]).items():
        (tmp_path / "bundle/code" / target).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundle/code" / target).write_bytes(source.read_bytes())
    return tmp_path / "bundle"


def blend_of(bundle: Path, folder: Path) -> list[str]:
    blend = [
        {"system": "popularity", "scale": "share", "weight": 1.0},
        {"system": "personal_frequency_decayed", "scale": "share", "weight": 2.0},
    ]
    seal(bundle, {"format": 1, "week": 44, "blends": {"blend": blend}})
    shopper = tea_drinker()
    users = np.repeat(shopper.user_id, len(shopper.items))
    histories = Histories.from_columns(users, shopper.items, shopper.times, shopper.baskets)
    histories.save(folder / "histories.npz")
    lists = score_bundle(bundle, folder / "histories.npz", NOW, folder / "lists.npz")
    places = lists.systems["blend"][0][0]
    return lists.item_ids[places[places >= 0]].tolist()


def test_score_bundle__ranks_as_worked_out_by_hand(bundle: Path, tmp_path: Path) -> None:
    # Tea 2.2, Apples 1.347, Milk 1, Bread .8, Eggs .6, Coffee .1: see tiny_bundle.
    assert blend_of(bundle, tmp_path) == ["50", "40", "10", "20", "30", "60"]


def test_score_bundle__runs_the_code_of_the_bundle(bundle: Path, tmp_path: Path) -> None:
    code = (bundle / RANKING).read_text()
    order = "return near[np.argsort({}scores[near]"
    assert code.count(order.format("-")) == 1
    (bundle / RANKING).write_text(code.replace(order.format("-"), order.format("")))

    assert blend_of(bundle, tmp_path) == ["60", "30", "20", "10", "40", "50"]


def test_score_bundle__code_that_fails_is_told_with_what_it_printed(bundle: Path, tmp_path: Path) -> None:
    (bundle / "code" / SCORING).write_text("raise RuntimeError('no such generator')\n")

    with pytest.raises(
        BundleError, match=r"its code fails in pipelines.ranking.score_histories(?s:.*)no such generator"
    ):
        blend_of(bundle, tmp_path)
