"""The comparison with RecTools: what its process says, how its embeddings are judged, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pages
from benchmarks.peers import rectools
from benchmarks.peers.rectools import OURS, PEER, PeerError, Point
from benchmarks.sequences.splits import split
from pipelines.retrieval.interactions import Interactions


def test_lock__is_hashed_and_names_no_host() -> None:
    text = rectools.LOCK.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)
    pinned = re.findall(r"^[a-z].*?==\S+.*$", text, re.MULTILINE)
    assert pinned
    assert all(line.endswith("\\") for line in pinned)


def test_told__passes_over_what_libraries_print() -> None:
    lines = ["GPU available: False\n", '{"epoch": 1, "seconds": 2.5}\n', "\n", '{"epoch": 2, "seconds": 4}\n']
    assert list(rectools.told(lines)) == [(1, 2.5), (2, 4.0)]


def test_peer_ranks__are_of_the_right_users_and_pessimistic(tmp_path: Path) -> None:
    # The second user is too short to be asked; nobody learned of item 4.
    parts = split(Interactions.of([[0, 1, 2], [3], [1, 0, 4], [0, 3, 2]], 5))
    items = np.eye(4, dtype=np.float32)
    users = np.array([[9, 9, 0.5, 0.5], [0, 0, 9, 0], [0, 0, 1, 2], [9, 1, 2, 9]], np.float32)
    order = np.array([3, 1, 0, 2])
    np.savez(tmp_path / "1.npz", users=users[order], user=order, items=items[::-1], item=np.arange(4)[::-1])
    # Seen 0 and 1, a tie with 3; behind 2 and 3; seen 0 and 3, before 1.
    assert rectools.peer_ranks(tmp_path / "1.npz", parts.all_but_last, parts.test).tolist() == [2, 3, 1]


def test_page__says_who_never_came_to_the_mark() -> None:
    whole = rectools.report(
        {OURS: [Point(4, 0.049)], PEER: [Point(10, 0.05)]}, {"users": 3, "items": 4, "events": 9}
    )
    page = pages.render_page("rectools", whole)
    assert "| attention | 0.0490 | never | 4 | 1 |" in page
    assert "| rectools_sasrec | 0.0500 | 10 | 10 | 1 |" in page


def test_report__counts_the_seconds_to_the_best_of_the_peer() -> None:
    peer = [Point(10, 0.03), Point(20, 0.05), Point(30, 0.04)]
    ours = [Point(4, 0.049), Point(10, 0.05), Point(12, 0.06)]
    whole = rectools.report({OURS: ours, PEER: peer}, {})
    assert whole["goals"][0] | {"goal": ""} == {"goal": "", "value": 0.5, "met": True}
    assert [line["seconds_to_mark"] for line in whole["resources"]] == [10, 20]
    never = rectools.report({OURS: ours[:1], PEER: peer}, {})
    assert never["goals"][0] | {"goal": ""} == {"goal": "", "value": None, "met": False}


def test_is_done__after_as_many_epochs_without_a_better_one() -> None:
    curve = [Point(1, 0.1), Point(2, 0.3), Point(3, 0.2), Point(4, 0.3)]
    assert rectools.is_done(curve, 2)
    assert not rectools.is_done(curve, 3)


def test_train_peer__says_how_to_make_a_missing_environment(tmp_path: Path) -> None:
    parts = split(Interactions.of([[0, 1, 2], [1, 2, 0]], 3))
    with pytest.raises(PeerError, match=r"missing; make it with .*--prepare"):
        rectools.train_peer(parts, tmp_path / "bin" / "python", 1)
