"""Bundles: stable bytes, and every kind of damage told by file."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.domain import BundleError
from pipelines.ranking.bundle import (
    read_arrays,
    read_json,
    read_manifest,
    seal,
    setting,
    write_arrays,
    write_json,
)


def make(path: Path) -> str:
    path.mkdir()
    write_arrays(path / "arrays.npz", {"b": np.arange(3), "a": np.ones((2, 2), np.float32)})
    write_json(path / "table.json", {"z": 1, "a": "é"})
    return seal(path, {"week": 44})


def test_seal__equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    assert make(tmp_path / "one") == make(tmp_path / "two")
    first, second = ((tmp_path / name / "arrays.npz").read_bytes() for name in ("one", "two"))
    assert first == second


def test_read_manifest__gives_back_what_was_sealed(tmp_path: Path) -> None:
    make(tmp_path / "bundle")
    manifest = read_manifest(tmp_path / "bundle")
    assert manifest["week"] == 44
    assert sorted(manifest["files"]) == ["arrays.npz", "table.json"]


@pytest.mark.parametrize("name", ["arrays.npz", "table.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_read_manifest__names_the_damaged_file(tmp_path: Path, name: str, damage: str) -> None:
    make(tmp_path / "bundle")
    file = tmp_path / "bundle" / name
    content = file.read_bytes()
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(content[:-2] if damage == "truncate" else bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(BundleError, match=str(file)):
        read_manifest(tmp_path / "bundle")


def test_read_arrays__names_the_file_that_lacks_an_array(tmp_path: Path) -> None:
    make(tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"arrays\.npz"):
        read_arrays(tmp_path / "bundle" / "arrays.npz", "absent")


def test_read_arrays__refuses_pickles(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", a=np.array([{}], dtype=object))
    with pytest.raises(BundleError, match=r"evil\.npz"):
        read_arrays(tmp_path / "evil.npz", "a")


def test_read_json__names_the_file(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text("{")
    with pytest.raises(BundleError, match=r"table\.json"):
        read_json(tmp_path / "table.json")


@pytest.mark.parametrize(
    "manifest", [{}, {"search": 1}, {"search": {}}, {"search": {"taste_weight": "much"}}]
)
def test_setting__that_is_missing_or_no_number_is_named(manifest: dict[str, object]) -> None:
    assert setting({"search": {"taste_weight": 0.5}}, "search", "taste_weight") == 0.5
    with pytest.raises(
        BundleError, match=r"bundle\.json: lacks the number search\.taste_weight; restore the bundle"
    ):
        setting(manifest, "search", "taste_weight")
