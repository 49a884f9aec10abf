"""Reads the feature views of a fold into the columns that fitting works on."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.features.placements import weekly_reach
from pipelines.features.purchases import Purchases
from pipelines.tables import read_table
from pipelines.weeks import ShopCalendar

DAY_US = 86_400_000_000


def read_purchases(
    features: Path, validated: Path, calendar: ShopCalendar, at_us: int, week: int
) -> Purchases:
    """Purchases of a fold.

    Args:
        features: Folder of the fold's views.
        validated: Folder with ``items.parquet`` and ``placements.parquet``.
        calendar: The shop's weeks.
        at_us: The fold's moment, microseconds since the epoch (UTC).
        week: The shop week that begins at it.
    """
    lines = read_table(features / "basket_lines.parquet")
    user_ids, shopper = _codes(lines["user_id"])
    item_ids, item = _codes(lines["item_id"])
    order = np.lexsort((item, column(lines, "basket"), shopper))
    shopper, item, basket = shopper[order], item[order], column(lines, "basket")[order]
    opens = np.concatenate([[True], (basket[1:] != basket[:-1]) | (shopper[1:] != shopper[:-1])])
    return Purchases(
        shopper=shopper,
        item=item,
        basket=(np.cumsum(opens) - 1).astype(np.int32),
        day=(column(lines, "occurred_us")[order] - at_us) / DAY_US,
        week=column(lines, "week")[order].astype(np.int32),
        user_ids=user_ids,
        item_ids=item_ids,
        item_type=_types(read_table(validated / "items.parquet"), item_ids),
        moment_week=week,
        reach=weekly_reach(
            read_table(validated / "placements.parquet"), item_ids, calendar.starts_us(0, week + 1)
        ),
    )


def column(table: pa.Table, name: str) -> NDArray[Any]:
    """A column as NumPy."""
    values: NDArray[Any] = table[name].to_numpy()
    return values


def _codes(values: pa.ChunkedArray) -> tuple[NDArray[np.str_], NDArray[np.int32]]:
    ids = np.sort(pc.unique(values).to_numpy(zero_copy_only=False).astype(np.str_))
    encoded = values.combine_chunks().dictionary_encode()
    place = np.searchsorted(ids, encoded.dictionary.to_numpy(zero_copy_only=False).astype(np.str_))
    return ids, place[encoded.indices.to_numpy()].astype(np.int32)


def _types(items: pa.Table, item_ids: NDArray[np.str_]) -> NDArray[np.int32]:
    named = dict(zip(items["item_id"].to_pylist(), items["type"].to_pylist(), strict=True))
    kinds = [named.get(str(item)) or "" for item in item_ids]
    # "" sorts first, so that 0 is the unknown type whether or not it occurs.
    table = {kind: code for code, kind in enumerate(sorted({"", *kinds}))}
    return np.array([table[kind] for kind in kinds], np.int32)
