"""Stage: split by time: what was known before the validation and holdout weeks, what was bought in them."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.evaluation.splits import (
    Fold,
    baskets,
    folds,
    known_events,
    targets,
    targets_sha256,
    with_weeks,
)
from pipelines.params import load_params
from pipelines.tables import read_json, read_table, write_json, write_table
from pipelines.weeks import ShopCalendar

OUT = Path("data/split")


def main() -> None:
    """Split in the workspace that is the current folder."""
    params = load_params()
    calendar = ShopCalendar.of(params.shop)
    week = int(read_json(Path("data/inputs/clock.json"))["week"])
    validated = Path("data/validated")
    events = with_weeks(read_table(validated / "events.parquet"), calendar)
    items = read_table(validated / "items.parquet")
    described: dict[str, Any] = {"decision_week": week}
    for name, fold in folds(week, params.split_weeks.history_weeks, calendar).items():
        known, bought = known_events(events, fold), targets(events, items, fold)
        write_table(OUT / f"{name}_events.parquet", known)
        write_table(OUT / f"{name}_targets.parquet", bought)
        write_table(OUT / f"{name}_baskets.parquet", baskets(events, items, fold))
        described[name] = describe(fold, known, bought)
        print(
            f"{name}: week {fold.week}, {known.num_rows:,} events known, {bought.num_rows:,} targets",
            flush=True,
        )
    write_json(OUT / "split.json", described)


def describe(fold: Fold, known: pa.Table, bought: pa.Table) -> dict[str, Any]:
    """What ``split.json`` says of a fold."""
    return {
        "week": fold.week,
        "at": fold.starts_at.isoformat(),
        "at_us": fold.at_us,
        "until": fold.ends_at.isoformat(),
        "history_from_week": fold.history_from,
        "events": known.num_rows,
        "targets": bought.num_rows,
        "households": len(bought["user_id"].unique()),
        "targets_sha256": targets_sha256(bought),
    }


if __name__ == "__main__":
    main()
