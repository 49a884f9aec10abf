"""An inverted index of the catalog's text, scored by BM25 (Robertson and Zaragoza 2009). NumPy only."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.bundle import read_arrays, write_arrays
from pipelines.text.tokens import tokens

SATURATION, LENGTH = 1.2, 0.75
MOST_TOKENS = 32
"""Of a query; what comes after them does not count."""


@dataclass(frozen=True)
class SearchIndex:
    """Which items hold each word, and how much it tells.

    Attributes:
        words: Sorted, shape ``(words,)``.
        offsets: Compressed rows, one a word, shape ``(words + 1,)``.
        item: Positions in the catalog, shape ``(n,)``.
        weight: BM25 of the word for the item, above 0, shape ``(n,)``.
        items: Size of the catalog.
    """

    words: NDArray[np.str_]
    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    weight: NDArray[np.float32]
    items: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> "SearchIndex":
        """Index one text an item."""
        counts = [Counter(tokens(text)) for text in texts]
        words = np.array(sorted({word for count in counts for word in count}), np.str_)
        place = {str(word): number for number, word in enumerate(words)}
        rows = [
            (place[word], item, times) for item, count in enumerate(counts) for word, times in count.items()
        ]
        word, item, times = (
            (np.array(column, np.int64) for column in zip(*rows, strict=True)) if rows else [_NONE] * 3
        )
        length = np.bincount(item, times, len(texts))
        holders = np.bincount(word, minlength=len(words))
        rarity = np.log1p((len(texts) - holders + 0.5) / (holders + 0.5))
        mean = max(float(length.sum()) / max(len(texts), 1), 1e-9)
        norm = SATURATION * (1 - LENGTH + LENGTH * length / mean)
        weight = rarity[word] * times * (SATURATION + 1) / (times + norm[item])
        order = np.lexsort((item, word))
        offsets = np.concatenate([[0], np.cumsum(holders)]).astype(np.int64)
        return cls(words, offsets, item[order].astype(np.int32), weight[order].astype(np.float32), len(texts))

    @classmethod
    def load(cls, path: Path) -> "SearchIndex":
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: The file is missing or corrupt.
        """
        words, offsets, item, weight, items = read_arrays(path, "words", "offsets", "item", "weight", "items")
        return cls(words, offsets, item, weight, int(items))

    def save(self, path: Path) -> None:
        """Write as npz."""
        write_arrays(path, vars(self) | {"items": np.array(self.items)})

    def score(self, query: str) -> NDArray[np.float64]:
        """How well each item matches, 0 for not at all, shape ``(items,)``.

        Each word counts once. The last may be unfinished: where no item holds it, all words count that begin with it.
        """
        asked = list(dict.fromkeys(tokens(query)))[:MOST_TOKENS]
        found = np.zeros(self.items)
        for number, word in enumerate(asked):
            first = bisect_left(self.words, word)
            end = first + int(first < len(self.words) and self.words[first] == word)
            if end == first and number == len(asked) - 1:
                end = bisect_left(self.words, word + "\U0010ffff")
            rows = slice(int(self.offsets[first]), int(self.offsets[end]))
            best = np.zeros(self.items)
            np.maximum.at(best, self.item[rows], self.weight[rows])
            found += best
        return found


_NONE = np.zeros(0, np.int64)
