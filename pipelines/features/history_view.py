"""Shopping histories from events, by the view that made the histories which a model learned from.

A bundle carries its own copy of the view: a champion is asked with histories as it learned them, whatever
the checkout says today, in evaluation and while it serves.
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.features.build import load_known
from pipelines.features.histories import Histories
from pipelines.features.views import FOLDER, FeatureError, read_view

VIEW = "basket_lines"
IN_BUNDLE = Path("code/pipelines/features")


def views_of(bundle: Path) -> Path:
    """Folder of the bundle's own copy of the view, or of this checkout's when it carries none."""
    folder = bundle / IN_BUNDLE
    return folder if (folder / f"{VIEW}.sql").is_file() else FOLDER


def histories_of(
    events: Path | pa.Table, items: Path, at_us: int, week: int, folder: Path = FOLDER
) -> Histories:
    """Histories of all shoppers as known at a moment, however long ago they began.

    Args:
        events: The events contract plus ``week``, or Parquet of it.
        items: Parquet of the items contract.
        at_us: The moment, microseconds since the epoch (UTC).
        week: The shop week that begins at it, or in which it lies.
        folder: Where the view is.

    Raises:
        FeatureError: The view is missing or refused.
    """
    view = read_view(VIEW, folder)
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        load_known(database, events, items, at_us, week)
        columns = "user_id, item_id, occurred_us, basket"
        ordered = f"SELECT {columns} FROM ({view.sql}) AS lines ORDER BY {', '.join(view.key)}"
        try:
            rows = database.execute(ordered).fetchnumpy()
        except duckdb.Error as error:
            raise FeatureError(f"{folder / VIEW}.sql is refused by DuckDB: {error}") from error
    return Histories.from_columns(rows["user_id"], rows["item_id"], rows["occurred_us"], rows["basket"])
