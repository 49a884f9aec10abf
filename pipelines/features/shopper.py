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
_ROW = {name: row for row, name in enumerate(HISTORY_FEATURES)}
_LOG1P = [
    _ROW[name]
    for name in ("log_count", "log_days_since_last", "log_days_since_first", "log_mean_gap", "log_last_gap")
]
_DECAYED = [_ROW[f"decayed_{100 * decay:.0f}"] for decay in WEEKLY_DECAYS]
_DECAY_RATES = (np.log2(WEEKLY_DECAYS) / 7).astype(np.float32)[:, None]
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


def runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last position of each run of equal values; there is at least one value."""
    changes = np.flatnonzero(values[1:] != values[:-1])
    starts, ends = np.zeros((2, len(changes) + 1), np.int64)
    starts[1:], ends[:-1], ends[-1] = changes + 1, changes, len(values) - 1
    return starts, ends


def basket_ranks(group: np.ndarray, basket: np.ndarray) -> np.ndarray:
    """How many of the shopper's baskets came after the event's basket (0 = in the latest one).

    Args:
        group: Ascending shopper of each event.
        basket: Basket of each event; ascending within a shopper and unique across shoppers.
    """
    if not len(group):
        return np.zeros(0, np.int64)
    changed = np.zeros(len(basket), np.int64)
    np.cumsum(basket[1:] != basket[:-1], out=changed[1:])
    starts, ends = runs(group)
    return np.repeat(changed[ends], ends - starts + 1) - changed


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
    combined, order = _in_order(group.astype(np.int64) * keys + key)
    if not len(order):
        return HistoryTable(combined, combined, np.zeros((0, len(HISTORY_FEATURES)), np.float32), order)
    starts, ends = runs(combined)
    row_of_event = np.empty(len(order), np.int64)
    row_of_event[order] = np.repeat(np.arange(len(starts)), ends - starts + 1)
    features = _features(age[order].astype(np.float32), rank[order], starts, ends)
    first = order[starts]
    return HistoryTable(group[first], key[first], features, row_of_event)


def _in_order(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending numbers, 0 or more, and where each of them stood, equal ones in their order."""
    bits = len(numbers).bit_length()
    if len(numbers) and int(numbers.max()).bit_length() + bits > 63:
        order = np.argsort(numbers, kind="stable")
        return numbers[order], order
    # With its place in the lower bits no two are equal: any sort is stable, and sorts of numbers are vectorised.
    both = np.sort((numbers << bits) | np.arange(len(numbers)))
    return both >> bits, both & ((1 << bits) - 1)


def _features(age: np.ndarray, rank: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Feature columns in the order of HISTORY_FEATURES, from events sorted by row, oldest first."""
    count = (ends - starts + 1).astype(np.float32)
    last, first = age[ends], age[starts]
    # Of what was bought once all gaps come out as 0, since its last purchase is its first.
    mean_gap = (first - last) / np.maximum(count - 1, 1)
    last_gap = age[np.maximum(ends - 1, starts)] - last
    repeated = count > 1
    features = np.empty((len(HISTORY_FEATURES), len(starts)), np.float32)
    features[_LOG1P] = np.log1p(np.stack([count, last, first, mean_gap, last_gap]))
    decayed = np.exp2(age * _DECAY_RATES)
    features[_DECAYED] = np.log(np.add.reduceat(decayed, starts, axis=1) + np.float32(0.02))
    features[_ROW["has_gap"]] = repeated
    features[_ROW["log_due_ratio"]] = np.log((last + 1) / (mean_gap + 1)) * repeated
    features[_ROW["log_baskets_since_last"]] = np.log1p(rank[ends])
    features[_ROW["log_share_of_baskets"]] = np.log(count / (rank[starts] + 1))
    return np.ascontiguousarray(features.T)


def context_table(group: np.ndarray, age: np.ndarray, rank: np.ndarray, groups: int) -> np.ndarray:
    """(groups, len(CONTEXT_FEATURES)) features of the shoppers themselves; zeros without history."""
    out = np.zeros((groups, len(CONTEXT_FEATURES)), np.float32)
    if not len(group):
        return out
    starts, ends = runs(group)
    events = (ends - starts + 1).astype(np.float32)
    baskets = rank[starts] + 1
    opens = np.ones(len(group), bool)
    opens[1:] = (rank[1:] != rank[:-1]) | (group[1:] != group[:-1])
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
