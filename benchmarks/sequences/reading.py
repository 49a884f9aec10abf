"""Reads a file of sequences: one user a line, the user first, then its items in order, separated by spaces."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.retrieval.interactions import Interactions
from pipelines.tables import sha256

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
SHAPE = "expected one user a line, its items after it, separated by spaces"


class SequencesError(Exception):
    """The file cannot be used; the message names file, line, field and remedy."""


@dataclass(frozen=True)
class Sequences:
    """What the file holds.

    Attributes:
        interactions: One row a user.
        path: Where it was read from.
        sha256: Of its content.
    """

    interactions: Interactions
    path: str
    sha256: str

    def facts(self) -> dict[str, object]:
        """Counts for the report."""
        lengths = self.interactions.lengths
        last = self.interactions.from_end(1)
        before = self.interactions.without_last(1)
        again = (before.item == last[before.user]) & (lengths[before.user] >= 3)
        count = np.bincount(self.interactions.item, minlength=self.interactions.items)
        return {
            "path": self.path,
            "sha256": self.sha256,
            "users": len(self.interactions),
            "items": self.interactions.items,
            "events": int(lengths.sum()),
            "users_with_one_item": int((lengths == 1).sum()),
            "users_with_two_items": int((lengths == 2).sum()),
            "users_ranked": int((lengths >= 3).sum()),
            "items_seen_once": int((count == 1).sum()),
            "test_targets_seen_before": len(np.unique(before.user[again])),
        }


def read_sequences(path: Path) -> Sequences:
    """Read and check a file; users and items may be any tokens.

    Raises:
        SequencesError: It is missing, no text, empty, or holds what no benchmark can be made of.
    """
    rows = _rows(path, _text(path))
    if len(rows) < 2:
        raise SequencesError(f"{path}: {SHAPE}, found one user; give at least two")
    if max(len(row) for row in rows.values()) < 3:
        raise SequencesError(
            f"{path}: nobody has three items, so that there is nothing to validate and test on; "
            "give users with longer histories"
        )
    position = {
        item: place for place, item in enumerate(dict.fromkeys(i for row in rows.values() for i in row))
    }
    if len(position) < 2:
        raise SequencesError(
            f"{path}: every item is {next(iter(position))!r}; give at least two different ones"
        )
    places = [[position[item] for item in row] for row in rows.values()]
    return Sequences(Interactions.of(places, len(position)), str(path), sha256(path))


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SequencesError(f"{path}: cannot be read ({error.strerror}); name a readable file") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SequencesError(
            f"{path}, line {line}: {SHAPE}, found bytes that are no UTF-8; save it as text"
        ) from error
    if not text.strip():
        raise SequencesError(f"{path}: {SHAPE}, found an empty file; give one with at least two users")
    strange = CONTROL.search(text)
    if strange:
        line, field = _where(text, strange.start())
        raise SequencesError(
            f"{path}, line {line}, field {field}: {SHAPE}, found the control character {strange.group()!r}; "
            "remove it or save the file as text"
        )
    return text


def _where(text: str, at: int) -> tuple[int, int]:
    begin = text.rfind("\n", 0, at) + 1
    return text.count("\n", 0, at) + 1, len(re.findall(r"(?<!\S)\S", text[begin : at + 1])) or 1


def _rows(path: Path, text: str) -> dict[str, list[str]]:
    lines = [line.split() for line in text.rstrip().split("\n")]
    for number, fields in enumerate(lines, start=1):
        if not fields:
            raise SequencesError(f"{path}, line {number}: {SHAPE}, found an empty line; remove it")
        if len(fields) == 1:
            raise SequencesError(
                f"{path}, line {number}, field 2: user {fields[0]!r} has no items; add them or remove the line"
            )
    _refuse_twice(path, [fields[0] for fields in lines])
    return {fields[0]: fields[1:] for fields in lines}


def _refuse_twice(path: Path, users: list[str]) -> None:
    user, times = Counter(users).most_common(1)[0]
    if times > 1:
        first = users.index(user)
        again = users.index(user, first + 1)
        raise SequencesError(
            f"{path}, line {again + 1}, field 1: user {user!r} has line {first + 1} already; join both lines"
        )
