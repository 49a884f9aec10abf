"""Whether what was learned from is what landed: worked out once more from the validated events, beside the stages.

A defect between landing and training is not seen in any figure when the holdout was spoilt alike; here it is a
difference of two tables that should be the same.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts.corrections import without_corrected
from pipelines.evaluation.folds import Moment, read_folds
from pipelines.features.build import load_known
from pipelines.features.history_view import VIEW
from pipelines.features.views import read_view
from pipelines.tables import read_json, read_table

VALIDATED, SPLIT, FEATURES = Path("data/validated"), Path("data/split"), Path("data/features")
EVENT = "event_id, event_type, user_id, item_id, basket_id, occurred_at, quantity"
BOUGHT = """
select distinct user_id, item_id from known join catalog using (item_id)
where recommendable and event_type = 'purchase' and quantity > 0 and occurred_at >= $starts and occurred_at < $ends
"""
LINE = "user_id, item_id, occurred_us"


def find_strays() -> list[str]:
    """One sentence for each table of a fold that is not what the validated events say; empty where all are."""
    events, catalog = read_table(VALIDATED / "events.parquet"), read_table(VALIDATED / "items.parquet")
    folds, described = read_folds(), read_json(SPLIT / "split.json")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("catalog", catalog)
        of_splits = [
            words for fold in folds for words in _in_split(connection, events, fold, described[fold])
        ]
    return of_splits + [words for fold, moment in folds.items() for words in _in_features(fold, moment)]


def _in_split(
    connection: duckdb.DuckDBPyConnection, events: pa.Table, fold: str, described: dict[str, Any]
) -> Iterator[str]:
    starts, ends = (datetime.fromisoformat(described[name]) for name in ("at", "until"))
    connection.register("known", _known(events, starts))
    before = f"select {EVENT} from known where occurred_at < $starts"
    yield from _differences(connection, before, EVENT, SPLIT / f"{fold}_events.parquet", {"starts": starts})
    connection.register("known", _known(events, ends))
    moments = {"starts": starts, "ends": ends}
    yield from _differences(
        connection, BOUGHT, "user_id, item_id", SPLIT / f"{fold}_targets.parquet", moments
    )


def _in_features(fold: str, moment: Moment) -> Iterator[str]:
    """By the view itself, from the events of the split: what was fitted on may be of another day or another hand."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        events, catalog = SPLIT / f"{fold}_events.parquet", VALIDATED / "items.parquet"
        load_known(connection, events, catalog, moment.at_us, moment.week, moment.history_from)
        wanted = f"select {LINE} from ({read_view(VIEW).sql}) as lines"
        yield from _differences(connection, wanted, LINE, FEATURES / fold / f"{VIEW}.parquet", {})


def _known(events: pa.Table, moment: datetime) -> pa.Table:
    until = pc.less_equal(events["ingested_at"], pa.scalar(moment, events["ingested_at"].type))
    return without_corrected(events.filter(until))


def _differences(
    connection: duckdb.DuckDBPyConnection, wanted: str, columns: str, file: Path, values: dict[str, Any]
) -> Iterator[str]:
    connection.execute(f"create or replace temp table wanted as {wanted}", values)
    connection.execute(f"create or replace temp view found as select {columns} from read_parquet('{file}')")
    if _sum(connection, "wanted", columns) == _sum(connection, "found", columns):
        return
    strange, missing = (
        connection.execute(
            f"select count(*) from (select * from {one} except all select * from {other})"
        ).fetchall()[0][0]
        for one, other in (("found", "wanted"), ("wanted", "found"))
    )
    if strange or missing:
        yield f"{file}: {strange:,} rows are not what landed before, {missing:,} that landed are missing"


def _sum(connection: duckdb.DuckDBPyConnection, table: str, columns: str) -> Any:
    """Number of rows and the sum of their hashes, whatever their order: far quicker than telling which differ."""
    return connection.execute(f"select count(*), sum(hash({columns})) from {table}").fetchall()
