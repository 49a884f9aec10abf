"""What was bought in a fold's week, and what the shoppers had bought before it."""

from pathlib import Path

from pipelines.evaluation.measure import Truth
from pipelines.features.histories import Histories
from pipelines.tables import read_table


def read_histories(fold: str) -> Histories:
    """Histories as known at the fold's moment, from the view that training reads."""
    lines = read_table(Path("data/features") / fold / "basket_lines.parquet")
    # The view is written in the order of its key: shopper, basket, item.
    user, item, times, baskets = (
        lines[name].to_numpy() for name in ("user_id", "item_id", "occurred_us", "basket")
    )
    return Histories.from_columns(user, item, times, baskets)


def read_truth(fold: str) -> Truth:
    """Bought items of the fold's week, of households that were known before it."""
    targets = read_table(Path("data/split") / f"{fold}_targets.parquet")
    before = read_table(Path("data/features") / fold / "household_items.parquet")
    known = _sets(before["user_id"].to_pylist(), before["item_id"].to_pylist())
    bought = _sets(targets["user_id"].to_pylist(), targets["item_id"].to_pylist())
    return Truth({user: items for user, items in bought.items() if user in known}, known)


def _sets(users: list[str], items: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for user, item in zip(users, items, strict=True):
        found.setdefault(user, set()).add(item)
    return found
