"""Scores the catalog for one shopper with the trained sequence model: NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipelines.features.shopper import (
    CONTEXT_FEATURES,
    HISTORY_FEATURES,
    HistoryTable,
    basket_ranks,
    context_table,
    history_table,
    runs,
)

FOURIER_DAYS = (7.0, 14.0, 28.0, 56.0)
MAX_BASKETS = 24
MEMORY_DAYS = 40.0


@dataclass(frozen=True)
class ShopperTables:
    """The features of one shopper as the model is given them, before scaling.

    Attributes:
        rank: Baskets after each purchase's, shape ``(n,)``.
        items: One row per item bought.
        types: One row per type bought.
        context: Of the shopper, shape ``(1, len(CONTEXT_FEATURES))``.
    """

    rank: np.ndarray
    items: HistoryTable
    types: HistoryTable
    context: np.ndarray


class SequenceScorer:
    """One trained model over a fixed catalog; safe to share between threads (scoring never writes to it)."""

    def __init__(self, arrays: Mapping[str, np.ndarray], sellable: np.ndarray) -> None:
        """Prepares the parts that do not depend on the shopper.

        Args:
            arrays: As saved by `train_sequence`.
            sellable: Ascending items to score.
        """
        self.a = {name: np.asarray(value) for name, value in arrays.items()}
        a = self.a
        self.sellable = sellable
        self.items, self.types = len(a["item_row"]), len(a["type_embedding"])
        self.table = a["item_embedding"][a["item_row"]] + a["type_embedding"][a["item_type"]]
        statistics = self._scaled("statistics", a["item_statistics"])
        bias = self._dense("bias_out", np.maximum(self._dense("bias_in", statistics), 0))[:, 0]
        self.bias = bias + a["item_bias"][a["item_row"], 0]
        self._prepare_heads(statistics)
        self._attended = np.concatenate([a["keys/kernel"], a["values/kernel"]], axis=1)
        self._attended_bias = np.concatenate([a["keys/bias"], a["values/bias"]])
        # By column, which a product with one vector reads at once.
        self.catalog = np.asfortranarray(self.table[sellable])
        self.catalog_bias = self.bias[sellable]
        self.catalog_type = a["item_type"][sellable].astype(np.int64)
        self.wave_rates = (2 * np.pi / np.array(FOURIER_DAYS, np.float32)).astype(np.float32)
        self.age_slope = np.log1p(np.exp(a["age_slope"] - np.float32(2.0))) / np.float32(7.0)
        self.position = np.full(self.items, -1, np.int64)
        self.position[sellable] = np.arange(len(sellable))

    def _prepare_heads(self, statistics: np.ndarray) -> None:
        """Takes the first layer of both heads apart, and works out what each type and each item for sale gives it."""
        features, context = len(HISTORY_FEATURES), len(CONTEXT_FEATURES)
        kernel = self.a["type_in/kernel"]
        by_features, self._type_context, by_type = np.split(kernel, [features, features + context])
        self._type_features, shift = self._unscaled("type", by_features)
        type_small = self._dense("type_project", self.a["type_embedding"])
        self._type_given = type_small @ by_type + (self.a["type_in/bias"] + shift)
        item = np.concatenate([self._dense("item_project", self.table), statistics], axis=1)[self.sellable]
        ends = np.cumsum([features, item.shape[1], context])
        by_features, by_item, self._copy_context, by_rest = np.split(self.a["copy_in/kernel"], ends)
        by_features, shift = self._unscaled("history", by_features)
        self._copy_own = np.concatenate([by_features, by_rest])
        self._copy_given = item @ by_item + (self.a["copy_in/bias"] + shift)
        self._copy_wide, self._copy_level = self._unscaled("history", self.a["copy_wide"])

    def _unscaled(self, block: str, kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What multiplies the features as they are, and is added, where the kernel is for the scaled ones."""
        scaled = self.a[f"{block}_scale"][:, None] * kernel
        return scaled, -(self.a[f"{block}_shift"] @ scaled)

    def _dense(self, name: str, values: np.ndarray) -> np.ndarray:
        return values @ self.a[f"{name}/kernel"] + self.a[f"{name}/bias"]

    def _scaled(self, block: str, values: np.ndarray) -> np.ndarray:
        return (values - self.a[f"{block}_shift"]) * self.a[f"{block}_scale"]

    def tables(self, item: np.ndarray, age: np.ndarray, basket: np.ndarray) -> ShopperTables:
        """Features of a shopper; the arguments are those of `score`."""
        group = np.zeros(len(item), np.int64)
        age = age.astype(np.float32)
        rank = basket_ranks(group, basket)
        items, types = self._tables_of(np.stack([item, self.a["item_type"][item]]), age, rank)
        return ShopperTables(rank=rank, items=items, types=types, context=context_table(group, age, rank, 1))

    def _tables_of(self, keys: np.ndarray, age: np.ndarray, rank: np.ndarray) -> list[HistoryTable]:
        """A table for each row of keys, made at once as if of several shoppers: a call costs more than its rows."""
        kinds, events = keys.shape
        group, most = np.repeat(np.arange(kinds), events), max(self.items, self.types)
        table = history_table(group, keys.ravel(), np.tile(age, kinds), np.tile(rank, kinds), most)
        bounds = np.searchsorted(table.group, np.arange(kinds + 1))
        return [
            HistoryTable(
                table.group[first:last] - kind,
                table.key[first:last],
                table.features[first:last],
                table.row_of_event[kind * events : (kind + 1) * events] - first,
            )
            for kind, (first, last) in enumerate(pairwise(bounds))
        ]

    def features_of(self, tables: ShopperTables, item: np.ndarray) -> np.ndarray:
        """HISTORY_FEATURES of some items, then those of their types: NaN where the shopper bought none.

        Returns:
            Shape (items, 2 * len(HISTORY_FEATURES)), float32.
        """
        return np.concatenate(
            [_rows_of(tables.items, item), _rows_of(tables.types, self.a["item_type"][item])], axis=1
        )

    def score(
        self, item: np.ndarray, age: np.ndarray, basket: np.ndarray, tables: ShopperTables | None = None
    ) -> np.ndarray:
        """Scores of `sellable`, in its order.

        Args:
            item: The shopper's purchases, oldest first, one per basket and item; at least one.
            age: Days since each purchase.
            basket: Ascending basket number of each purchase.
            tables: What `tables` makes of them, where it is there already.
        """
        tables = self.tables(item, age, basket) if tables is None else tables
        age, rank, history, types = age.astype(np.float32), tables.rank, tables.items, tables.types
        context = self._scaled("context", tables.context)
        user = self._encode(item, age, rank, context)
        state, type_score = self._type_head(types, context)
        by_type = np.zeros(self.types, np.float32)
        by_type[types.key] = type_score
        scores = self.catalog @ user
        scores += self.catalog_bias
        type_row = np.empty(len(history.key), np.int64)
        type_row[history.row_of_event] = types.row_of_event
        spot = self.position[history.key]
        kept = spot >= 0
        spot, type_row = spot[kept], type_row[kept]
        own = [history.features[kept], state[type_row], scores[spot, None]]
        copied = self._copy_head(spot, np.concatenate(own, axis=1), context)
        scores += by_type.take(self.catalog_type)
        scores[spot] = type_score[type_row] + copied
        return scores

    def _encode(self, item: np.ndarray, age: np.ndarray, rank: np.ndarray, context: np.ndarray) -> np.ndarray:
        width, heads = self.table.shape[1], len(self.age_slope)
        latest = rank < MAX_BASKETS
        item, age, rank = item[latest], age[latest], rank[latest]
        starts, ends = runs(rank)
        size = (ends - starts + 1).astype(np.float32)
        baskets = np.add.reduceat(self.table[item], starts, axis=0) / np.sqrt(size)[:, None]
        age = age[starts]
        fresh = np.exp(-age / np.float32(MEMORY_DAYS))
        mean = (fresh @ baskets / (fresh.sum() + np.float32(1e-3)))[None]
        inner = self._dense("context_in", context)
        query = (self._dense("query", mean) + inner).reshape(heads, -1)
        both = (baskets @ self._attended + self._attended_bias).reshape(len(starts), 2, heads, -1)
        keys, values = both[:, 0], both[:, 1]
        logits = (keys * query).sum(axis=2) / np.float32(width // heads) ** 0.5 + self._age_bias(age)
        weight = np.exp(logits - logits.max(axis=0))
        weight /= weight.sum(axis=0)
        mixed = (weight[:, :, None] * values).sum(axis=0).reshape(1, width)
        state = mixed + mean + inner
        return (state + self._dense("feed_out", np.maximum(self._dense("feed_in", state), 0)))[0]

    def _age_bias(self, age: np.ndarray) -> np.ndarray:
        angle = age[:, None] * self.wave_rates
        waves = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
        return waves @ self.a["time_weights"] - age[:, None] * self.age_slope

    def _type_head(self, types: HistoryTable, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hidden = types.features @ self._type_features
        hidden += self._type_given[types.key]
        hidden += context @ self._type_context
        state = np.maximum(self._dense("type_state", np.maximum(hidden, 0, out=hidden)), 0)
        return state, self._dense("type_out", state)[:, 0]

    def _copy_head(self, spot: np.ndarray, own: np.ndarray, context: np.ndarray) -> np.ndarray:
        """What it adds to the score of the type.

        Args:
            spot: Places in `sellable`.
            own: Features, state of the type and score in the catalog of each.
            context: Of the shopper, scaled.
        """
        hidden = own @ self._copy_own
        hidden += self._copy_given[spot]
        hidden += context @ self._copy_context
        deep = self._dense("copy_mid", np.maximum(hidden, 0, out=hidden))
        added = self._dense("copy_out", np.maximum(deep, 0, out=deep))[:, 0]
        wide = own[:, : len(HISTORY_FEATURES)] @ self._copy_wide
        return added + (wide[:, 0] + self._copy_level)


def _rows_of(table: HistoryTable, key: np.ndarray) -> np.ndarray:
    """Rows of some keys of one shopper's table, NaN where it has none."""
    row = np.minimum(np.searchsorted(table.key, key), len(table.key) - 1)
    found = table.key[row] == key
    missing = np.full(len(HISTORY_FEATURES), np.nan, np.float32)
    return np.where(found[:, None], table.features[row], missing)


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k highest scores, best first, ties by position."""
    k = min(k, len(scores))
    threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
    found = np.flatnonzero(scores >= threshold)
    return found[np.lexsort((found, -scores[found]))][:k]
