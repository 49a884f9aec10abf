"""Sabotages of the landed data, before ``validate_data``."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.gate_mutation.sabotage import Sabotage, edit_table, events_file
from pipelines.tables import read_json, read_table

WEEK, MONTH = timedelta(days=7), timedelta(days=28)


def _as_of(workspace: Path) -> pd.Timestamp:
    return pd.Timestamp(read_json(workspace / "data/inputs/clock.json")["as_of"])


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _table(frame: pd.DataFrame, like: pa.Table) -> pa.Table:
    return pa.Table.from_pandas(frame, like.schema, preserve_index=False)


def negative_quantities(workspace: Path) -> None:
    """Every second quantity of the last week has the wrong sign."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        rows = frame.index[frame["occurred_at"] >= _as_of(workspace) - WEEK][::2]
        frame.loc[rows, "quantity"] *= -1
        return _table(frame, table)

    edit_table(events_file(workspace), change)


def week_landed_twice(workspace: Path) -> None:
    """The events of the last week are there again, under other ids."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        again = frame[frame["occurred_at"] >= _as_of(workspace) - WEEK]
        again = again.assign(event_id="again-" + again["event_id"])
        return _table(pd.concat([frame, again]), table)

    edit_table(events_file(workspace), change)


def duplicated_users(workspace: Path) -> None:
    """Every user is in the table twice."""
    edit_table(workspace / "data/inputs/users.parquet", lambda table: pa.concat_tables([table, table]))


def future_events(workspace: Path) -> None:
    """The events of the last week are dated four weeks ahead."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        frame.loc[frame["occurred_at"] >= _as_of(workspace) - WEEK, "occurred_at"] += MONTH
        return _table(frame, table)

    edit_table(events_file(workspace), change)


def department_missing(workspace: Path) -> None:
    """No event of the largest department arrived in the last week."""
    items = _frame(read_table(workspace / "data/inputs/items.parquet"))

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        department = frame["item_id"].map(items.set_index("item_id")["department"])
        lost = (department == department.mode()[0]) & (frame["occurred_at"] >= _as_of(workspace) - WEEK)
        return _table(frame[~lost], table)

    edit_table(events_file(workspace), change)


def time_zone_shift(workspace: Path) -> None:
    """All local times were taken for UTC: every event is five hours too early."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        frame["occurred_at"] -= timedelta(hours=5)
        return _table(frame, table)

    edit_table(events_file(workspace), change)


def catalog_of_another_week(workspace: Path) -> None:
    """The catalog is of eight weeks ago: what was first sold since then is not in it."""
    events = _frame(read_table(events_file(workspace)))
    first = events.groupby("item_id")["occurred_at"].min()
    young = set(first[first >= _as_of(workspace) - 2 * MONTH].index)

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        return _table(frame[~frame["item_id"].isin(young)], table)

    edit_table(workspace / "data/inputs/items.parquet", change)


def stale_prices(workspace: Path) -> None:
    """For four weeks every item was sold at the price of its first sale."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        price = (frame["value"] / frame["quantity"]).groupby(frame["item_id"]).transform("first")
        rows = (frame["occurred_at"] >= _as_of(workspace) - MONTH) & (frame["event_type"] == "purchase")
        frame.loc[rows, "value"] = (price * frame["quantity"])[rows].round(2)
        return _table(frame, table)

    edit_table(events_file(workspace), change)


def pence_for_pounds(workspace: Path) -> None:
    """Everything that was bought in the last week cost a hundred times what was paid."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        frame.loc[frame["occurred_at"] >= _as_of(workspace) - WEEK, "value"] *= 100
        return _table(frame, table)

    edit_table(events_file(workspace), change)


def robot(workspace: Path) -> None:
    """One user bought a third of what all others bought in the last week, too."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        week = (frame["occurred_at"] >= _as_of(workspace) - WEEK) & (frame["event_type"] == "purchase")
        again = frame[week].iloc[::3]
        again = again.assign(event_id="robot-" + again["event_id"], user_id=frame["user_id"].dropna().min())
        return _table(pd.concat([frame, again]), table)

    edit_table(events_file(workspace), change)


def merged_households(workspace: Path) -> None:
    """In the last week the purchases of each two households are told under the id of one."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        users = sorted(frame["user_id"].dropna().unique())
        first = dict(zip(users, np.repeat(users[::2], 2), strict=False))
        rows = frame["user_id"].notna() & (frame["occurred_at"] >= _as_of(workspace) - WEEK)
        frame.loc[rows, "user_id"] = frame.loc[rows, "user_id"].map(first)
        return _table(frame, table)

    edit_table(events_file(workspace), change)


def half_the_catalog_hidden(workspace: Path) -> None:
    """Every second item of the catalog is marked as not to be recommended."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        frame.loc[frame.index[::2], "recommendable"] = False
        return _table(frame, table)

    edit_table(workspace / "data/inputs/items.parquet", change)


def baskets_lost(workspace: Path) -> None:
    """Every third basket of the last week did not arrive."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        week = frame["occurred_at"] >= _as_of(workspace) - WEEK
        lost = sorted(frame.loc[week, "basket_id"].dropna().unique())[::3]
        return _table(frame[~(week & frame["basket_id"].isin(lost))], table)

    edit_table(events_file(workspace), change)


def users_renumbered(workspace: Path) -> None:
    """From the last week on, everybody's purchases are told under the id of another shopper."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        users = sorted(frame["user_id"].dropna().unique())
        other = dict(zip(users, np.roll(users, 1), strict=True))
        rows = frame["user_id"].notna() & (frame["occurred_at"] >= _as_of(workspace) - WEEK)
        frame.loc[rows, "user_id"] = frame.loc[rows, "user_id"].map(other)
        return _table(frame, table)

    edit_table(events_file(workspace), change)


def all_at_noon(workspace: Path) -> None:
    """Every purchase of the last week is dated noon of its day."""

    def change(table: pa.Table) -> pa.Table:
        frame = _frame(table)
        rows = frame["occurred_at"] >= _as_of(workspace) - WEEK
        frame.loc[rows, "occurred_at"] = frame.loc[rows, "occurred_at"].dt.floor("D") + timedelta(hours=17)
        frame["occurred_at"] = frame["occurred_at"].clip(upper=_as_of(workspace) - timedelta(seconds=1))
        return _table(frame, table)

    edit_table(events_file(workspace), change)


DATA = (
    Sabotage("negative_quantities", "data", "validate_data", "developed", negative_quantities),
    Sabotage("duplicated_users", "data", "validate_data", "developed", duplicated_users),
    Sabotage("future_events", "data", "validate_data", "developed", future_events),
    Sabotage("department_missing", "data", "validate_data", "developed", department_missing),
    Sabotage("week_landed_twice", "data", "validate_data", "developed", week_landed_twice),
    Sabotage("time_zone_shift", "data", "validate_data", "developed", time_zone_shift),
    Sabotage("catalog_of_another_week", "data", "validate_data", "developed", catalog_of_another_week),
    Sabotage("stale_prices", "data", "validate_data", "developed", stale_prices),
    Sabotage("pence_for_pounds", "data", "validate_data", "developed", pence_for_pounds),
    Sabotage("robot", "data", "validate_data", "developed", robot),
    Sabotage("merged_households", "data", "validate_data", "developed", merged_households),
    Sabotage("half_the_catalog_hidden", "data", "validate_data", "developed", half_the_catalog_hidden),
    Sabotage("baskets_lost", "data", "validate_data", "unseen", baskets_lost),
    Sabotage("users_renumbered", "data", "validate_data", "unseen", users_renumbered),
    Sabotage("all_at_noon", "data", "validate_data", "unseen", all_at_noon),
)
