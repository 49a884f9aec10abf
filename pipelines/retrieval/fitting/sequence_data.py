"""Turns purchase events into training examples: one shopper's history and the set bought in the week after."""

from dataclasses import dataclass

import numpy as np

from pipelines.features.purchases import Purchases
from pipelines.features.shopper import basket_ranks, context_table, history_table, item_statistics
from pipelines.retrieval.sequence import MAX_BASKETS

SELLABLE_WEEKS = 8


@dataclass(frozen=True)
class Vocabulary:
    """Which embedding row an item uses; row 0 is shared by items too rare to have their own."""

    row: np.ndarray
    item_type: np.ndarray

    @property
    def rows(self) -> int:
        """Number of embedding rows."""
        return int(self.row.max()) + 1

    @property
    def types(self) -> int:
        """Number of types."""
        return int(self.item_type.max()) + 1


@dataclass(frozen=True)
class WeekExamples:
    """All shoppers of one target week, ragged columns flat with offsets by shopper.

    Attributes:
        week: The target week.
        shopper: Shopper of each example.
        context: Features of the shopper.
        history_offsets, history_item, history_features, history_type_row, bought_again: Things bought before;
            `history_type_row` points into the type rows, relative to the shopper's first one.
        type_offsets, type_id, type_features: Types bought before.
        bag_offsets, bag_item, bag_rank, bag_age: Events of the latest baskets; rank 0 is the latest basket.
        new_offsets, new_item, new_type_row: Targets never bought before (type row -1: type never bought).
        statistics: Catalog features as known at the start of the week.
    """

    week: int
    shopper: np.ndarray
    context: np.ndarray
    history_offsets: np.ndarray
    history_item: np.ndarray
    history_features: np.ndarray
    history_type_row: np.ndarray
    bought_again: np.ndarray
    type_offsets: np.ndarray
    type_id: np.ndarray
    type_features: np.ndarray
    bag_offsets: np.ndarray
    bag_item: np.ndarray
    bag_rank: np.ndarray
    bag_age: np.ndarray
    new_offsets: np.ndarray
    new_item: np.ndarray
    new_type_row: np.ndarray
    statistics: np.ndarray


def build_vocabulary(purchases: Purchases, minimum: int) -> Vocabulary:
    """Own embedding rows for the items bought at least `minimum` times."""
    kept = np.bincount(purchases.item, minlength=len(purchases.item_ids)) >= minimum
    return Vocabulary(np.where(kept, np.cumsum(kept), 0).astype(np.int32), purchases.item_type)


def weekly_targets(purchases: Purchases, week: int, shoppers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct (position in `shoppers`, item) pairs bought in a week, sorted."""
    rows = (purchases.week == week) & np.isin(purchases.shopper, shoppers)
    items = len(purchases.item_ids)
    group = np.searchsorted(shoppers, purchases.shopper[rows])
    pairs = np.unique(group.astype(np.int64) * items + purchases.item[rows])
    return pairs // items, pairs % items


def known_shoppers(purchases: Purchases, week: int) -> np.ndarray:
    """Households that bought in the week and at least once before."""
    return np.intersect1d(purchases.shopper[purchases.week == week], purchases.shopper[purchases.week < week])


def _offsets(group: np.ndarray, groups: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(group, minlength=groups))])


def build_week(purchases: Purchases, week: int, shoppers: np.ndarray | None = None) -> WeekExamples:
    """Examples of one target week; histories end at the start of the week.

    Args:
        purchases: Those of `week` are only used as targets.
        week: Target week.
        shoppers: Sorted shoppers; by default those who bought in the week.
    """
    shoppers = known_shoppers(purchases, week) if shoppers is None else shoppers
    past = purchases.before(week)
    statistics = item_statistics(past.item, past.week, past.shopper, past.day, past.reach, week)
    mine = np.isin(past.shopper, shoppers)
    group = np.searchsorted(shoppers, past.shopper[mine])
    item, age = past.item[mine], past.age(week, mine)
    rank = basket_ranks(group, past.basket[mine])
    history = history_table(group, item, age, rank, len(past.item_ids))
    types = history_table(group, past.item_type[item], age, rank, int(past.item_type.max()) + 1)
    type_offsets = _offsets(types.group, len(shoppers))
    sellable = np.bincount(past.item[past.week >= week - SELLABLE_WEEKS], minlength=len(past.item_ids)) > 0
    kept = sellable[history.key]
    row_group, row_item = history.group[kept], history.key[kept]
    type_row = np.empty(len(history.key), np.int64)
    type_row[history.row_of_event] = types.row_of_event
    type_row = type_row[kept]
    target_group, target_item = weekly_targets(purchases, week, shoppers)
    target_group, target_item = target_group[sellable[target_item]], target_item[sellable[target_item]]
    again, new = _split_targets(row_group, row_item, target_group, target_item)
    new_type_row = _find(types.group, types.key, target_group[new], past.item_type[target_item[new]])
    new_type_row[new_type_row >= 0] -= type_offsets[target_group[new]][new_type_row >= 0]
    bag = rank < MAX_BASKETS
    return WeekExamples(
        week, shoppers, context_table(group, age, rank, len(shoppers)),
        _offsets(row_group, len(shoppers)), row_item.astype(np.int32), history.features[kept],
        (type_row - type_offsets[row_group]).astype(np.int32), again,
        type_offsets, types.key.astype(np.int32), types.features,
        _offsets(group[bag], len(shoppers)), item[bag], rank[bag].astype(np.int32), age[bag],
        _offsets(target_group[new], len(shoppers)), target_item[new].astype(np.int32), new_type_row.astype(np.int32),
        statistics,
    )  # fmt: skip


def _find(group: np.ndarray, key: np.ndarray, wanted_group: np.ndarray, wanted_key: np.ndarray) -> np.ndarray:
    """Rows of a sorted (group, key) table, -1 where absent."""
    size = int(max(key.max(initial=0), wanted_key.max(initial=0))) + 1
    table = group.astype(np.int64) * size + key
    wanted = wanted_group.astype(np.int64) * size + wanted_key
    spot = np.minimum(np.searchsorted(table, wanted), max(len(table) - 1, 0))
    return np.where(table[spot] == wanted, spot, -1) if len(table) else np.full(len(wanted), -1)


def _split_targets(
    group: np.ndarray, key: np.ndarray, target_group: np.ndarray, target_item: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Marks history rows that were bought again and targets that are new."""
    rows = _find(group, key, target_group, target_item)
    again = np.zeros(len(group), np.float32)
    again[rows[rows >= 0]] = 1.0
    return again, rows < 0


def take_ragged(offsets: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat positions of the rows of some shoppers, and the (new) shopper of each."""
    lengths = offsets[wanted + 1] - offsets[wanted]
    group = np.repeat(np.arange(len(wanted)), lengths)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return offsets[wanted][group] + within, group


def make_batch(
    examples: WeekExamples,
    wanted: np.ndarray,
    vocabulary: Vocabulary,
    negatives: np.ndarray,
    log_expected: np.ndarray,
) -> dict[str, np.ndarray]:
    """One packed batch of shoppers of a week.

    Args:
        examples: The week.
        wanted: Positions of the shoppers in the week.
        vocabulary: Embedding rows.
        negatives: Items drawn for the whole batch.
        log_expected: Log of how often each negative is expected among the draws (the logQ correction).

    Returns:
        Arrays by the names in `sequence_model.BATCH_SIGNATURE`. Item columns index into `item_rows`.
    """
    hist, hist_group = take_ragged(examples.history_offsets, wanted)
    kind, kind_group = take_ragged(examples.type_offsets, wanted)
    bag, bag_group = take_ragged(examples.bag_offsets, wanted)
    new, new_group = take_ragged(examples.new_offsets, wanted)
    first_type = np.concatenate([[0], np.cumsum(np.bincount(kind_group, minlength=len(wanted)))])
    hist_item, new_item = examples.history_item[hist], examples.new_item[new]
    bag_item = examples.bag_item[bag]
    items, local = np.unique(np.concatenate([hist_item, new_item, bag_item, negatives]), return_inverse=True)
    cuts = np.cumsum([len(hist), len(new), len(bag)])
    hist_local, new_local, bag_local, negative_local = np.split(local.astype(np.int32), cuts)
    free = np.ones((len(wanted), len(items)), bool)
    free[hist_group, hist_local] = False
    free[new_group, new_local] = False
    new_type = examples.new_type_row[new]
    ages = np.zeros((len(wanted), MAX_BASKETS), np.float32)
    present = np.zeros((len(wanted), MAX_BASKETS), np.float32)
    ages[bag_group, examples.bag_rank[bag]] = examples.bag_age[bag]
    present[bag_group, examples.bag_rank[bag]] = 1.0
    return {
        "item_row": vocabulary.row[items],
        "item_type": vocabulary.item_type[items],
        "item_statistics": examples.statistics[items],
        "context": examples.context[wanted],
        "bag_item": bag_local,
        "bag_slot": (bag_group * MAX_BASKETS + examples.bag_rank[bag]).astype(np.int32),
        "bag_age": ages,
        "bag_present": present,
        "type_id": examples.type_id[kind],
        "type_group": kind_group.astype(np.int32),
        "type_features": examples.type_features[kind],
        "history_item": hist_local,
        "history_group": hist_group.astype(np.int32),
        "history_type_row": (examples.history_type_row[hist] + first_type[hist_group]).astype(np.int32),
        "history_features": examples.history_features[hist],
        "history_label": examples.bought_again[hist],
        "new_item": new_local,
        "new_group": new_group.astype(np.int32),
        "new_type_row": np.where(new_type < 0, len(kind), new_type + first_type[new_group]).astype(np.int32),
        "negative_item": negative_local,
        "negative_log_expected": log_expected,
        "negative_free": free[:, negative_local].astype(np.float32),
    }
