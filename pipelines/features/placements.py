"""How widely the shop shows each item in each week, as known when the week begins. NumPy and Arrow only."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

EVERYONE = 1.0


def weekly_reach(
    placements: pa.Table, item_ids: NDArray[np.str_], starts_us: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The widest placement of each item in each week, by the share of the week that it covers.

    What was announced only after a week began is not known in it.

    Args:
        placements: In the contract's schema.
        item_ids: Sorted ids of the items.
        starts_us: First moments of the weeks and, last, the end of the last one, microseconds since the epoch
            (UTC), shape ``(weeks + 1,)``.

    Returns:
        From 0, not shown, to 1, shown to everyone all week; shape ``(weeks, items)``.
    """
    reach = np.zeros((len(starts_us) - 1, len(item_ids)), np.float32)
    if not placements.num_rows or not len(item_ids):
        return reach
    named = placements["item_id"].to_numpy(zero_copy_only=False).astype(np.str_)
    place = np.minimum(np.searchsorted(item_ids, named), len(item_ids) - 1)
    starts, ends = _micros(placements["starts_at"]), _micros(placements["ends_at"])
    announced = _micros(pc.coalesce(placements["announced_at"], placements["starts_at"]))
    share = placements["reach"].fill_null(EVERYONE).to_numpy()
    ours = item_ids[place] == named
    for week, (begin, end) in enumerate(pairwise(starts_us)):
        shown = ours & (announced <= begin) & (starts < end) & (ends > begin)
        covered = (np.minimum(ends[shown], end) - np.maximum(starts[shown], begin)) / (end - begin)
        np.maximum.at(reach[week], place[shown], (share[shown] * covered).astype(np.float32))
    return reach


def _micros(moments: pa.ChunkedArray) -> NDArray[np.int64]:
    micros: NDArray[np.int64] = moments.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    return micros
