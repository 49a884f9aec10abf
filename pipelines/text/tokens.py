"""Words of titles and queries, brought to one form."""

import re
import unicodedata

WORD = re.compile(r"[^\W_]+")
WITHOUT_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
"""Runs of Chinese and Japanese, whose words have no spaces between them."""
SHORTEST_PLURAL = 4


def tokens(text: str) -> list[str]:
    """Words in their order: one case, full and half width alike, English plurals as singulars.

    Chinese and Japanese become pairs of neighbouring characters: words cannot be told apart there without a
    dictionary.
    """
    found: list[str] = []
    for word in WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        place = 0
        for run in WITHOUT_SPACES.finditer(word):
            found += _plain(word[place : run.start()])
            found += _pairs(run.group())
            place = run.end()
        found += _plain(word[place:])
    return found


def _plain(word: str) -> list[str]:
    if len(word) >= SHORTEST_PLURAL and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return [word] if word else []


def _pairs(run: str) -> list[str]:
    return [run[place : place + 2] for place in range(max(len(run) - 1, 1))]
