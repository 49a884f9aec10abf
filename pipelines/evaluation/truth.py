"""What was bought in a fold's week, and what the shoppers had bought before it."""

from pathlib import Path

from pipelines.evaluation.folds import Moment
from pipelines.evaluation.measure import Truth
from pipelines.features.histories import Histories
from pipelines.features.history_view import histories_of
from pipelines.features.views import FOLDER
from pipelines.tables import read_table

ITEMS = Path("data/validated/items.parquet")


def read_histories(fold: str, moment: Moment, folder: Path = FOLDER) -> Histories:
    """All histories as known at the fold's moment, not only the weeks that are learned from: so they are served.

    Args:
        fold: Its name.
        moment: Its moment.
        folder: Where the view is that makes them: a bundle's own, or the checkout's.
    """
    return histories_of(Path(f"data/split/{fold}_events.parquet"), ITEMS, moment.at_us, moment.week, folder)


def read_truth(fold: str, histories: Histories) -> Truth:
    """Bought items of the fold's week, of households that have one of ``histories``."""
    targets = read_table(Path("data/split") / f"{fold}_targets.parquet")
    known = {history.user_id: set(history.items.tolist()) for history in histories}
    bought: dict[str, set[str]] = {}
    for user, item in zip(targets["user_id"].to_pylist(), targets["item_id"].to_pylist(), strict=True):
        bought.setdefault(user, set()).add(item)
    return Truth({user: items for user, items in bought.items() if user in known}, known)
