"""What is built from: Complete Journey as known at the start of a week, at one or more times its size."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.evaluation.splits import folds, known_events, with_weeks
from pipelines.params import load_params
from pipelines.settings import CHECKOUT
from pipelines.sources.complete_journey import CompleteJourney
from pipelines.tables import read_json, write_json
from pipelines.weeks import ShopCalendar, to_micros

SEED = 7
HOLDOUT_WEEK = 44
# Wider than the ids of the source, so that ids of copies are new, numbers still, and about as long.
HOUSEHOLDS, BASKETS = 2_500, 9_300_000_000


@dataclass(frozen=True)
class Inputs:
    """Files in one folder, and the moment.

    Attributes:
        folder: Holds ``events``, ``items``, ``users`` and ``promotions`` as Parquet.
        at_us: The moment, microseconds since the epoch (UTC).
        week: The shop week that begins then.
        events: Rows of ``events``.
        households: Shoppers in them.
    """

    folder: Path
    at_us: int
    week: int
    events: int
    households: int

    def path(self, name: str) -> Path:
        """Where a data set is."""
        return self.folder / f"{name}.parquet"

    def save(self) -> None:
        """Write what :meth:`load` reads."""
        write_json(self.folder / "inputs.json", asdict(self) | {"folder": str(self.folder)})

    @classmethod
    def load(cls, folder: Path) -> "Inputs":
        """Inputs that were made before."""
        return cls(**read_json(folder / "inputs.json") | {"folder": folder})


def read_shop() -> tuple[dict[str, pa.Table], ShopCalendar, int]:
    """Complete Journey before the holdout week: its tables, its calendar, and the moment.

    Purchases of quantity 0, which the contract of ``events`` quarantines, are left out.
    """
    params = load_params(CHECKOUT / "params.yaml")
    calendar = ShopCalendar.of(params.shop)
    tables = dict(CompleteJourney(calendar).read_weeks(1, HOLDOUT_WEEK - 1))
    events = tables["events"]
    events = events.filter(pc.fill_null(pc.greater(events["quantity"], 0), True))
    fold = folds(HOLDOUT_WEEK, params.split_weeks.history_weeks, calendar)["holdout"]
    tables["events"] = known_events(with_weeks(events, calendar), fold)
    return tables, calendar, fold.at_us


def make_inputs(
    folder: Path, tables: dict[str, pa.Table], calendar: ShopCalendar, at_us: int, times: int
) -> Inputs:
    """Write the data sets at ``times`` their size.

    Each household is copied ``times - 1`` times under a new id. A copy buys the same items in the same weeks, but
    each of its baskets is moved by a drawn part of a week, around the week's end. Catalog and promotions stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("items", "promotions"):
        pq.write_table(tables[name], folder / f"{name}.parquet")
    users = pa.concat_tables([_with_new_ids(tables["users"], copy) for copy in range(times)])
    pq.write_table(users, folder / "users.parquet")
    events = tables["events"]
    with pq.ParquetWriter(folder / "events.parquet", events.schema, compression="zstd") as writer:
        for week in sorted(pc.unique(events["week"]).to_pylist()):
            rows = events.filter(pc.equal(events["week"], week))
            copies = pa.concat_tables([_copy(rows, copy, week, calendar) for copy in range(times)])
            writer.write_table(copies.sort_by([("occurred_at", "ascending"), ("event_id", "ascending")]))
    households = len(pc.unique(events["user_id"])) * times
    inputs = Inputs(folder, at_us, HOLDOUT_WEEK, events.num_rows * times, households)
    inputs.save()
    return inputs


def _copy(rows: pa.Table, copy: int, week: int, calendar: ShopCalendar) -> pa.Table:
    if copy == 0:
        return rows
    start, end = to_micros(calendar.start(week)), to_micros(calendar.end(week))
    baskets = pc.coalesce(rows["basket_id"], rows["event_id"]).combine_chunks().dictionary_encode()
    drawn = np.random.default_rng([SEED, copy, week]).integers(0, end - start, len(baskets.dictionary))
    moment = rows["occurred_at"].cast(pa.int64()).to_numpy()
    moved = start + (moment - start + drawn[baskets.indices.to_numpy()]) % (end - start)
    renamed = _with_new_ids(rows, copy)
    return _replace(renamed, "occurred_at", pa.array(moved).cast(rows.schema.field("occurred_at").type))


def _with_new_ids(rows: pa.Table, copy: int) -> pa.Table:
    columns: dict[str, Any] = {"user_id": _shift(rows["user_id"], copy * HOUSEHOLDS)}
    if "basket_id" in rows.column_names:
        columns["basket_id"] = _shift(rows["basket_id"], copy * BASKETS)
        columns["event_id"] = pc.binary_join_element_wise(rows["event_id"], str(copy), "-")
    for name, values in columns.items():
        rows = _replace(rows, name, values) if copy else rows
    return rows


def _shift(ids: pa.ChunkedArray, by: int) -> pa.ChunkedArray:
    return pc.add(ids.cast(pa.int64()), by).cast(pa.string())


def _replace(rows: pa.Table, name: str, values: Any) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)


def all_views() -> tuple[str, ...]:
    """The views that ``params.yaml`` names."""
    return load_params(CHECKOUT / "params.yaml").build_features.views
