"""What was learned from is what landed: true of what the stages make, and each planted difference is counted."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.contracts import EVENTS, ITEMS
from pipelines.contracts.samples import sample_rows
from pipelines.evaluation.folds import read_folds
from pipelines.evaluation.strays import find_strays
from pipelines.features.build import build_views
from pipelines.params import load_params
from pipelines.settings import CHECKOUT
from pipelines.stages import split_weeks
from pipelines.tables import read_table, write_json, write_table
from pipelines.weeks import ShopCalendar

CALENDAR = ShopCalendar.of(load_params(CHECKOUT / "params.yaml").shop)
WEEKS, SHOPPERS = 5, 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shoppers buy the sample item each week, and one line is corrected; split, and features built."""
    folder = tmp_path_factory.mktemp("workspace")
    rows = {
        (week - 1) * SHOPPERS + user: {
            "event_id": f"w{week}-{user}",
            "user_id": str(user),
            "basket_id": f"b{week}-{user}",
            "occurred_at": CALENDAR.start(week) + timedelta(hours=5 * user + 1),
            "ingested_at": CALENDAR.start(week) + timedelta(days=1),
        }
        for week in range(1, WEEKS + 1)
        for user in range(SHOPPERS)
    }
    rows[0]["corrects"] = "w1-1"
    write_table(folder / "data/validated/events.parquet", sample_rows(EVENTS, len(rows), rows))
    write_table(folder / "data/validated/items.parquet", sample_rows(ITEMS, 1))
    write_json(folder / "data/inputs/clock.json", {"week": WEEKS})
    shutil.copy(CHECKOUT / "params.yaml", folder / "params.yaml")
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        split_weeks.main()
        for fold, moment in read_folds().items():
            build_views(
                ("basket_lines",),
                Path(f"data/split/{fold}_events.parquet"),
                Path("data/validated/items.parquet"),
                moment.at_us,
                moment.week,
                Path("data/features") / fold,
                moment.history_from,
            )
    return folder


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(copy)
    return copy


def change(file: str, column: str, of: Callable[[list[object]], list[object]]) -> None:
    table = read_table(Path(file))
    values = pa.array(of(table[column].to_pylist()), table[column].type)
    write_table(Path(file), table.set_column(table.column_names.index(column), column, values))


@pytest.mark.usefixtures("workspace")
def test_strays__of_what_the_stages_made_there_are_none() -> None:
    assert read_table(Path("data/split/holdout_events.parquet")).num_rows == 4 * SHOPPERS - 1
    assert find_strays() == []


@pytest.mark.usefixtures("workspace")
def test_strays__events_of_the_holdout_week_in_the_training_set_are_counted() -> None:
    file = Path("data/split/holdout_events.parquet")
    known, all_events = read_table(file), read_table(Path("data/validated/events.parquet"))
    future = all_events.filter(pc.match_substring(all_events["event_id"], "w5-")).slice(0, 3)
    future = future.append_column("week", pa.array([WEEKS] * 3, known["week"].type))
    write_table(file, pa.concat_tables([known, future.select(known.column_names).cast(known.schema)]))
    assert find_strays() == [f"{file}: 3 rows are not what landed before, 0 that landed are missing"]


@pytest.mark.usefixtures("workspace")
def test_strays__a_missing_event_is_missing_in_what_is_fitted_on_too() -> None:
    file = Path("data/split/validation_events.parquet")
    write_table(file, read_table(file).slice(2))
    found = find_strays()
    assert found[0] == f"{file}: 0 rows are not what landed before, 2 that landed are missing"
    assert found[1].startswith("data/features/validation/basket_lines.parquet: 2 rows are not what landed")


@pytest.mark.usefixtures("workspace")
def test_strays__labels_of_others_are_counted() -> None:
    change("data/split/validation_targets.parquet", "user_id", lambda users: ["nobody", *users[1:]])
    assert find_strays() == [
        "data/split/validation_targets.parquet: 1 rows are not what landed before, 1 that landed are missing"
    ]


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    ("column", "of", "count"),
    [
        ("user_id", lambda users: list(np.roll(users, 1)), None),
        ("occurred_us", lambda moments: [max(moments)] * len(moments), 4 * SHOPPERS - 2),
        ("item_id", lambda items: ["other", *items[1:]], 1),
    ],
)
def test_strays__features_of_other_shoppers_moments_or_items_are_counted(
    column: str, of: Callable[[list[object]], list[object]], count: int | None
) -> None:
    file = "data/features/holdout/basket_lines.parquet"
    change(file, column, of)
    (found,) = find_strays()
    assert found.startswith(f"{file}: ")
    assert count is None or found.startswith(f"{file}: {count:,} rows are not what landed before")
