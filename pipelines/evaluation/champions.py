"""What evaluation says of the champion beside its lists: which release it is, and how far the shop has moved since."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError
from pipelines.ranking.bundle import read_arrays, read_json, read_manifest


def champion_facts(champion: Path, candidate: Path) -> dict[str, Any] | None:
    """The champion as ``metrics.json`` keeps it; None where the ledger named none.

    Args:
        champion: What ``fetch_champion`` wrote: a bundle with ``champion.json``, or ``none.json``.
        candidate: The candidate's bundle.

    Raises:
        BundleError: It says neither, or what it names is not there: a lost champion is no first model.
    """
    named, none = (champion / name for name in ("champion.json", "none.json"))
    if named.is_file() == none.is_file():
        raise BundleError(
            f"{champion}: expected either champion.json, for a champion, or none.json, for a first model, found "
            f"{'both' if named.is_file() else 'neither'}; a lost champion is not taken for a first model: open "
            "the run again"
        )
    if none.is_file():
        return None
    old, new = read_manifest(champion), read_manifest(candidate)
    facts: dict[str, Any] = read_json(named)
    return facts | {
        "fitted_through_week": old["fitted_through_week"],
        "contracts_changed": contracts_changed(old.get("contracts"), new.get("contracts")),
        "unknown_share": missing_share(_sellable(candidate), _known(champion)),
        "gone_share": missing_share(_sellable(champion), _known(candidate)),
    }


def contracts_changed(old: Mapping[str, int] | None, new: Mapping[str, int] | None) -> list[str] | None:
    """Data sets whose contract has another version, in words; None where one of the bundles does not say."""
    if old is None or new is None:
        return None
    return [
        f"{name} {old.get(name, 'none')} to {new.get(name, 'none')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def missing_share(items: NDArray[np.str_], known: NDArray[np.str_]) -> float:
    """Share of ``items`` that is not among ``known``; all of it where there are none."""
    return float(1.0 - np.isin(items, known).mean()) if len(items) else 1.0


def _known(bundle: Path) -> NDArray[np.str_]:
    return np.array(read_json(bundle / "items.json")["ids"], dtype=np.str_)


def _sellable(bundle: Path) -> NDArray[np.str_]:
    (sellable,) = read_arrays(bundle / "popularity.npz", "sellable")
    found: NDArray[np.str_] = _known(bundle)[sellable.astype(bool)]
    return found
