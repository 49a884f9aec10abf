"""Puts a bundle together from what the fitting stages wrote."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.ranking.attributes import ATTRIBUTES, Attributes
from pipelines.ranking.bundle import read_arrays, seal, write_arrays, write_json
from pipelines.ranking.components import Component
from pipelines.ranking.list_rules import NO_RULES, ListRules
from pipelines.ranking.prices import PRICES
from pipelines.tables import read_table
from pipelines.text.search_index import SearchIndex

FORMAT = 1
ABOUT = ("popularity", "reach", "kind", "first_sold_us", "sellable")


@dataclass(frozen=True)
class Parts:
    """Where the parts of a fold are.

    Attributes:
        baselines: Output of ``fit_baselines`` for the fold.
        sequence: Output of ``train_sequence`` for the fold.
        items: Parquet of the items contract.
        prices: Parquet of the view ``item_prices`` of the fold.
    """

    baselines: Path
    sequence: Path
    items: Path
    prices: Path


def assemble(
    parts: Parts,
    blends: Mapping[str, Sequence[tuple[Component, float]]],
    fitted_through_week: int,
    out: Path,
    code: Mapping[Path, Path],
    rules: ListRules = NO_RULES,
    contracts: Mapping[str, int] | None = None,
    scenarios: Mapping[str, Mapping[str, float]] | None = None,
    promotions: Mapping[str, Any] | None = None,
    fitted_through_us: int | None = None,
) -> str:
    """Write and seal a bundle.

    Args:
        parts: What it is made of.
        blends: Components and weights by blend.
        fitted_through_week: Last week that anything in it has seen.
        out: The bundle's folder, replaced.
        code: Files of the code that scores with it: where each goes below ``code/``, and where it is.
        rules: What its lists have to keep.
        contracts: Version of the contract of each data set that it was learned under.
        scenarios: What ``search`` and ``new_arrivals`` go by; a bundle without it cannot be served.
        promotions: Campaigns and the model of responses to them; a bundle without it cannot be served either.
        fitted_through_us: Moment at which what it has seen ends, microseconds since the epoch (UTC).

    Returns:
        The bundle's sha256.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    item_ids, *about = read_arrays(parts.baselines / "catalog.npz", "item_ids", *ABOUT)
    items = read_table(parts.items)
    write_json(out / "items.json", {"ids": item_ids.tolist(), "titles": _titles(items, item_ids)})
    _attributes(items, item_ids).save(out / "attributes.npz")
    write_arrays(out / PRICES, {"price": _prices(read_table(parts.prices), item_ids)})
    SearchIndex.of(_texts(items, item_ids)).save(out / "search.npz")
    write_arrays(out / "popularity.npz", dict(zip(("scores", *ABOUT[1:]), about, strict=True)))
    for name in ("als.npz", "companions.npz", "markov.npz", "neighbours.npz"):
        shutil.copyfile(parts.baselines / name, out / name)
    shutil.copyfile(parts.sequence / "sequence.npz", out / "sequence.npz")
    if promotions is not None:
        write_json(out / "promotions.json", promotions)
    for target, source in code.items():
        (out / "code" / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, out / "code" / target)
    return seal(
        out,
        {
            "format": FORMAT,
            "fitted_through_week": fitted_through_week,
            "fitted_through_us": fitted_through_us,
            "blends": _rows(blends),
            "rules": asdict(rules),
            "contracts": dict(contracts or {}),
            **(scenarios or {}),
        },
    )


def _titles(items: pa.Table, item_ids: np.ndarray) -> list[str]:
    found = _column(items, "title", item_ids)
    return [title or f"item {item_id}" for title, item_id in zip(found, item_ids, strict=True)]


def _attributes(items: pa.Table, item_ids: np.ndarray) -> Attributes:
    return Attributes.of({name: _column(items, name, item_ids) for name in ATTRIBUTES})


def _prices(prices: pa.Table, item_ids: np.ndarray) -> np.ndarray:
    """What was paid last for one of each, NaN where nothing was; rounded, as it is a quotient of sums."""
    return np.array(_column(prices, "price_last", item_ids), np.float64).round(4)


def _texts(items: pa.Table, item_ids: np.ndarray) -> list[str]:
    columns = [_column(items, name, item_ids) for name in ("title", *ATTRIBUTES)]
    return [" ".join(filter(None, parts)) for parts in zip(*columns, strict=True)]


def _column(items: pa.Table, name: str, item_ids: np.ndarray) -> list[Any]:
    values = dict(zip(items["item_id"].to_pylist(), items[name].to_pylist(), strict=True))
    return [values.get(str(item_id)) for item_id in item_ids]


def _rows(blends: Mapping[str, Sequence[tuple[Component, float]]]) -> dict[str, list[dict[str, str | float]]]:
    return {
        name: [
            {"system": part.system, "scale": part.scale, "weight": float(weight)} for part, weight in weights
        ]
        for name, weights in blends.items()
    }
