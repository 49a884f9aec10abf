"""How many events each shop week has."""

import numpy as np
import pyarrow as pa

from pipelines.weeks import ShopCalendar


def week_column(events: pa.Table, calendar: ShopCalendar) -> pa.Array:
    """The shop week of each event, shape ``(rows,)``, int32."""
    micros = events["occurred_at"].cast(pa.int64()).to_numpy()
    return pa.array(calendar.weeks_of(micros), pa.int32())


def week_counts(events: pa.Table, calendar: ShopCalendar) -> dict[int, int]:
    """Events per shop week; weeks without events are not in it."""
    weeks, counts = np.unique(week_column(events, calendar).to_numpy(), return_counts=True)
    return {int(week): int(count) for week, count in zip(weeks, counts, strict=True)}
