"""Rules across data sets: what is about an item is about one of the catalog, or is counted as unjoined."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import CONTRACTS


def unjoined_rows(name: str, table: pa.Table, item_ids: pa.Array) -> int:
    """Rows of a data set about an item that is not among ``item_ids``; rows about no item are none of them."""
    column = CONTRACTS[name].item_column
    if column is None:
        return 0
    about = table[column]
    joined = pc.or_(pc.is_null(about), pc.is_in(about, item_ids))
    return int(table.num_rows - (pc.sum(joined).as_py() or 0))


def unknown_item_faults(
    tables: Mapping[str, pa.Table], item_ids: pa.Array, limit: float, of: str = ""
) -> list[str]:
    """Data sets of which more than ``limit`` of the rows are about an item that is not in the catalog.

    Args:
        tables: Rows by data set.
        item_ids: Of the catalog; an empty one judges nothing, since the catalog may be what lands next.
        limit: Largest share.
        of: Which rows these are, where they are not all, such as ``" of week 53"``.
    """
    if len(item_ids) == 0:
        return []
    return [fault for name in tables if (fault := _fault(name, tables[name], item_ids, limit, of))]


def _fault(name: str, table: pa.Table, item_ids: pa.Array, limit: float, of: str) -> str:
    unjoined = unjoined_rows(name, table, item_ids)
    share = unjoined / max(table.num_rows, 1)
    if share <= limit:
        return ""
    return (
        f"{name}{of}: expected at most {limit:.1%} about an item that is not in items, found {share:.1%} "
        f"({unjoined:,}, for example {_example(name, table, item_ids)}); land the missing items with `shoploop "
        "action land_batch --data-set items`"
    )


def _example(name: str, table: pa.Table, item_ids: pa.Array) -> str:
    about = table[CONTRACTS[name].item_column].drop_null()
    return repr(about.filter(pc.invert(pc.is_in(about, item_ids)))[0].as_py())
