"""What evaluation says of the champion, of two bundles whose catalogs are told apart by hand."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.domain import BundleError
from pipelines.evaluation.champions import champion_facts, contracts_changed
from pipelines.ranking.bundle import read_manifest, seal, write_arrays, write_json
from tests.serving.tiny_bundle import write_tiny_bundle


@pytest.fixture
def bundles(tmp_path: Path) -> tuple[Path, Path]:
    """A champion that knows the tiny shop's items 10 to 60, and a candidate that knows 30 to 100, sells 50 to 100."""
    champion, candidate = tmp_path / "champion", tmp_path / "candidate"
    write_tiny_bundle(champion)
    manifest = read_manifest(champion) | {"fitted_through_week": 43}
    seal(champion, manifest | {"contracts": {"events": 1, "items": 2}})
    write_json(champion / "champion.json", {"release_id": "r-44-abc", "week": 44})
    write_tiny_bundle(candidate)
    ids = [str(item) for item in range(30, 101, 10)]
    write_json(candidate / "items.json", {"ids": ids, "titles": ids})
    write_arrays(candidate / "popularity.npz", {"sellable": np.array([False] * 2 + [True] * 6)})
    seal(candidate, manifest | {"fitted_through_week": 44, "contracts": {"events": 2, "items": 2}})
    return champion, candidate


def test_champion_facts__tell_how_far_the_shop_has_moved(bundles: tuple[Path, Path]) -> None:
    # Of 50 to 100 the champion knows 50 and 60; of 10 to 60, all on its shelf, the candidate does not know 10 and 20.
    found = champion_facts(*bundles)
    assert found is not None
    assert (found["release_id"], found["fitted_through_week"]) == ("r-44-abc", 43)
    assert found["contracts_changed"] == ["events 1 to 2"]
    assert found["unknown_share"] == pytest.approx(4 / 6)
    assert found["gone_share"] == pytest.approx(2 / 6)


def test_champion_facts__of_a_first_model_are_none(tmp_path: Path) -> None:
    write_json(tmp_path / "none.json", {"champion": None})
    assert champion_facts(tmp_path, tmp_path / "candidate") is None


def test_champion_facts__a_lost_champion_is_no_first_model(
    bundles: tuple[Path, Path], tmp_path: Path
) -> None:
    champion, candidate = bundles
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="found neither; a lost champion is not taken for a first model"):
        champion_facts(tmp_path / "empty", candidate)
    (champion / "items.json").unlink()
    with pytest.raises(BundleError, match=r"items\.json: cannot be read"):
        champion_facts(champion, candidate)
    write_json(champion / "none.json", {"champion": None})
    with pytest.raises(BundleError, match="found both"):
        champion_facts(champion, candidate)


def test_contracts_changed__names_added_removed_and_newer_ones() -> None:
    assert contracts_changed({"a": 1, "b": 1, "c": 3}, {"a": 2, "c": 3, "d": 1}) == [
        "a 1 to 2", "b 1 to none", "d none to 1",
    ]  # fmt: skip
    assert contracts_changed({"a": 1}, {"a": 1}) == []
    assert contracts_changed(None, {"a": 1}) is None
