"""Splits of session files: the last training sessions validate, each session is learned from once."""

from pathlib import Path

import pytest

from benchmarks.sessions.reading import SessionFileError, read_sessions
from benchmarks.sessions.splits import Prefixes, Split, split
from pipelines.retrieval.interactions import Interactions


def cut(folder: Path, train: str, test: str) -> Split:
    (folder / "train.txt").write_text(train)
    (folder / "test.txt").write_text(test)
    return split(read_sessions(folder / "train.txt"), read_sessions(folder / "test.txt"))


def rows_of(interactions: Interactions) -> list[list[int]]:
    return [interactions.row(row).tolist() for row in range(len(interactions))]


def asked(prefixes: Prefixes) -> list[tuple[list[int], int, int]]:
    targets, sessions = prefixes.target.tolist(), prefixes.session.tolist()
    return list(zip(rows_of(prefixes.histories), targets, sessions, strict=True))


TRAIN = "10 20\n20 30\n" * 9 + "10 30 10\n10 20 20\n"


def test_split__validates_on_the_last_sessions_and_learns_from_all(tmp_path: Path) -> None:
    parts = cut(tmp_path, TRAIN, "10\t20\n20\t10\n")
    assert rows_of(parts.earlier_sessions) == [[0, 1], [1, 2]] * 9
    assert rows_of(parts.all_sessions) == [*[[0, 1], [1, 2]] * 9, [0, 2, 0], [0, 1, 1]]
    assert asked(parts.validation) == [([0], 2, 0), ([0, 2], 0, 0), ([0], 1, 1), ([0, 1], 1, 1)]


def test_split__asks_the_test_lines_as_they_stand(tmp_path: Path) -> None:
    parts = cut(tmp_path, TRAIN, "10 30\t20\n10\t30\n20 10\t20\n")
    assert asked(parts.test) == [([0, 2], 1, 0), ([0], 2, 0), ([1, 0], 1, 1)]


def test_split__asks_every_prefix_of_whole_test_sessions(tmp_path: Path) -> None:
    parts = cut(tmp_path, TRAIN, "10 30 20\n20\n20 10\n")
    assert asked(parts.test) == [([0], 2, 0), ([0, 2], 1, 0), ([1], 0, 2)]


def test_split__learns_a_session_once_however_many_prefixes_are_listed(tmp_path: Path) -> None:
    train = "".join(f"{a} {b}\t{c}\n{a}\t{b}\n" for a, b, c in [(1, 2, 3), (3, 1, 2), (2, 2, 1)])
    assert rows_of(cut(tmp_path, train, "1\t2\n").all_sessions) == [[0, 1, 2], [2, 0, 1], [1, 1, 0]]


def test_split__ranks_items_that_only_the_test_holds(tmp_path: Path) -> None:
    parts = cut(tmp_path, TRAIN, "5\t20\n20\t40\n")
    assert parts.unseen_items == 2
    assert parts.test.histories.items == parts.all_sessions.items == 5
    assert asked(parts.test) == [([0], 2, 0), ([2], 4, 1)]


def test_split__keeps_at_least_one_session_on_each_side(tmp_path: Path) -> None:
    parts = cut(tmp_path, "1 2\n2 1\n", "1\t2\n" * 5)
    assert rows_of(parts.earlier_sessions) == [[0, 1]]
    assert asked(parts.validation) == [([1], 0, 0)]


def test_split__says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SessionFileError, match=r"train\.txt: .* found 1;"):
        cut(tmp_path, "1 2\n3\n", "1\t2\n")
    with pytest.raises(SessionFileError, match=r"test\.txt: no line"):
        cut(tmp_path, TRAIN, "10\n20\n")
