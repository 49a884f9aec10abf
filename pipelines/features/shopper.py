"""What a shopper's purchases say about each thing bought: the features that training and serving share (NumPy only)."""

from dataclasses import dataclass

import numpy as np

REACH_SCALE = 9.0
WEEKLY_DECAYS = (0.5, 0.8, 0.9, 0.95, 0.98)
HISTORY_FEATURES = (
    "log_count", "log_days_since_last", "log_days_since_first",
    "decayed_50", "decayed_80", "decayed_90", "decayed_95", "decayed_98",
    "log_mean_gap", "has_gap", "log_due_ratio", "log_last_gap", "log_baskets_since_last", "log_share_of_baskets",
)  # fmt: skip
CONTEXT_FEATURES = (
    "log_baskets",
    "log_items",
    "log_days_since_last",
    "log_tenure",
    "log_basket_size",
    "log_month_baskets",
)


@dataclass(frozen=True)
class HistoryTable:
    """One row per (shopper, key), ordered by shopper and key.

    Attributes:
        group: Shopper of each row.
        key: Item or type of each row.
        features: (rows, len(HISTORY_FEATURES)) float32.
        row_of_event: Row to which each event belongs.
    """

    group: np.ndarray
    key: np.ndarray
    features: np.ndarray
    row_of_event: np.ndarray


def _runs(values: np.ndarray) -> np.ndarray:
    """Start position of each run of equal values."""
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))


def basket_ranks(group: np.ndarray, basket: np.ndarray) -> np.ndarray:
    """How many of the shopper's baskets came after the event's basket (0 = in the latest one).

    Args:
        group: Ascending shopper of each event.
        basket: Basket of each event; ascending within a shopper and unique across shoppers.
    """
    if not len(group):
        return np.zeros(0, np.int64)
    changed = np.concatenate([[0], np.cumsum(basket[1:] != basket[:-1])])
    starts = _runs(group)
    lengths = np.diff(np.append(starts, len(group)))
    last = changed[np.append(starts[1:], len(group)) - 1]
    return np.repeat(last, lengths) - changed


def history_table(
    group: np.ndarray, key: np.ndarray, age: np.ndarray, rank: np.ndarray, keys: int
) -> HistoryTable:
    """Summarises events per (shopper, key).

    Args:
        group: Ascending shopper of each event; within a shopper the oldest event comes first.
        key: Item (or type) of each event.
        age: Days before the decision, >= 0.
        rank: Baskets after the event's, see `basket_ranks`.
        keys: Number of possible keys.
    """
    combined = group.astype(np.int64) * keys + key
    order = np.argsort(combined, kind="stable")
    combined = combined[order]
    if not len(order):
        return HistoryTable(combined, combined, np.zeros((0, len(HISTORY_FEATURES)), np.float32), order)
    starts = _runs(combined)
    ends = np.append(starts[1:], len(order)) - 1
    row_of_event = np.empty(len(order), np.int64)
    row_of_event[order] = np.repeat(np.arange(len(starts)), ends - starts + 1)
    features = _features(age[order].astype(np.float32), rank[order], starts, ends)
    return HistoryTable(combined[starts] // keys, combined[starts] % keys, features, row_of_event)


def _features(age: np.ndarray, rank: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Feature columns in the order of HISTORY_FEATURES, from events sorted by row, oldest first."""
    count = (ends - starts + 1).astype(np.float32)
    last, first = age[ends], age[starts]
    repeated = count > 1
    mean_gap = np.where(repeated, (first - last) / np.maximum(count - 1, 1), 0)
    last_gap = np.where(repeated, age[np.maximum(ends - 1, 0)] - last, 0)
    columns = [np.log1p(count), np.log1p(last), np.log1p(first)]
    for decay in WEEKLY_DECAYS:
        weight = np.exp2(age * np.float32(np.log2(decay) / 7))
        columns.append(np.log(np.add.reduceat(weight, starts) + np.float32(0.02)))
    due = np.where(repeated, np.log((last + 1) / (mean_gap + 1)), 0)
    columns += [np.log1p(mean_gap), repeated, due, np.log1p(last_gap), np.log1p(rank[ends])]
    columns.append(np.log(count / (rank[starts] + 1)))
    return np.stack(columns, axis=1).astype(np.float32)


def context_table(group: np.ndarray, age: np.ndarray, rank: np.ndarray, groups: int) -> np.ndarray:
    """(groups, len(CONTEXT_FEATURES)) features of the shoppers themselves; zeros without history."""
    out = np.zeros((groups, len(CONTEXT_FEATURES)), np.float32)
    if not len(group):
        return out
    starts = _runs(group)
    ends = np.append(starts[1:], len(group)) - 1
    events = (ends - starts + 1).astype(np.float32)
    baskets = rank[starts] + 1
    opens = np.concatenate([[True], (rank[1:] != rank[:-1]) | (group[1:] != group[:-1])])
    month = np.add.reduceat((opens & (age < 28)).astype(np.float32), starts)
    columns = [baskets, events, age[ends], age[starts], events / baskets, month]
    out[group[starts]] = np.log1p(np.stack(columns, axis=1))
    return out


def item_statistics(
    item: np.ndarray,
    week: np.ndarray,
    group: np.ndarray,
    day: np.ndarray,
    reach: np.ndarray,
    target: int,
) -> np.ndarray:
    """(items, 8) features of the catalog as known at the start of week `target`.

    Log weekly buyers over the last 1, 4, 8 weeks and since the start; share of purchases that are
    repeats; log mean gap; log of how widely the shop shows the item in the week, and in the four weeks before.

    Args:
        item, week, group, day: Events sorted by shopper and time; all before `target`.
        reach: How widely each item is shown, shape (at least target + 1, items).
    """
    rows, items = [], reach.shape[1]
    for span in (1, 4, 8, max(target - 1, 1)):
        recent = week >= target - span
        rows.append(np.log(np.bincount(item[recent], minlength=items) / min(span, target - 1) + 0.05))
    order = np.argsort(group.astype(np.int64) * items + item, kind="stable")
    same = (item[order][1:] == item[order][:-1]) & (group[order][1:] == group[order][:-1])
    gaps = np.diff(day[order])[same]
    repeated = item[order][1:][same]
    repeats = np.bincount(repeated, minlength=items)
    total = np.bincount(item, minlength=items)
    rows.append((repeats + 1.0) / (total + 4.0))
    rows.append(np.log1p((np.bincount(repeated, gaps, minlength=items) + 2 * 30.0) / (repeats + 2.0)))
    rows.append(np.log1p(REACH_SCALE * reach[target]))
    rows.append(np.log1p(REACH_SCALE * reach[max(target - 4, 0) : target].mean(axis=0)))
    return np.stack(rows, axis=1).astype(np.float32)
