"""Steps of a candidate in the ledger: compare-and-set, and what ends them."""

import sqlite3

import pytest
from endpoint_under_test import make_release

from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LedgerError, StaleMove
from pipelines.releases.stepping import steps, take_step


@pytest.fixture
def ledger(tmp_path):
    kept = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield kept
    kept.close()


@pytest.fixture
def shop(ledger):
    """Week 44 is live; 45 and 46 may follow."""
    old, new, newer = (
        ledger.add_release(make_release(week, letter * 64)).release_id
        for week, letter in ((44, "a"), (45, "b"), (46, "c"))
    )
    ledger.move(old, None, "release", "test", "first", "d-1")
    return ledger, old, new, newer


def test_take_step__gives_the_plan_a_candidate_and_its_share(shop):
    ledger, old, new, _ = shop
    assert ledger.plan().candidate is None
    first = take_step(ledger, new, (old, 0), "canary", 0.05, "test", "begin", '{"a": 1}')
    second = take_step(ledger, new, (old, 1), "canary", 0.25, "test", "well so far")
    plan = ledger.plan()
    assert (first.seq, second.seq) == (1, 2)
    assert (plan.live.release_id, plan.candidate_release.release_id) == (old, new)
    assert (plan.candidate.share, plan.candidate.reason) == (0.25, "well so far")
    assert steps(ledger) == [first, second]
    assert ledger.verify().faults == ()


def test_take_step__aborted_leaves_no_candidate_and_lets_another_begin(shop):
    ledger, old, new, newer = shop
    take_step(ledger, new, (old, 0), "canary", 0.05, "test", "begin")
    take_step(ledger, new, (old, 1), "aborted", 0, "test", "errors")
    assert ledger.plan().candidate is None
    take_step(ledger, newer, (old, 2), "canary", 0.05, "test", "begin")
    assert ledger.plan().candidate_release.release_id == newer


def test_take_step__of_two_that_judged_the_same_step_one_is_refused(shop):
    ledger, old, new, _ = shop
    take_step(ledger, new, (old, 0), "canary", 0.05, "one", "begin")
    with pytest.raises(StaleMove, match="after step 1 now"):
        take_step(ledger, new, (old, 0), "canary", 0.5, "other", "begin")


def test_take_step__refuses_a_second_candidate(shop):
    ledger, old, new, newer = shop
    take_step(ledger, new, (old, 0), "canary", 0.05, "test", "begin")
    with pytest.raises(StaleMove, match=f"{new} is on its way"):
        take_step(ledger, newer, (old, 1), "canary", 0.05, "test", "begin")


def test_plan__a_move_ends_the_step_even_when_the_same_release_is_live_again(shop):
    ledger, old, new, newer = shop
    take_step(ledger, new, (old, 0), "canary", 0.05, "test", "begin")
    ledger.move(newer, old, "release", "test", "by hand", "d-1")
    assert ledger.plan().candidate is None
    ledger.move(old, newer, "rollback", "test", "back")
    assert ledger.plan().candidate is None
    with pytest.raises(StaleMove, match="is live after step 1"):
        take_step(ledger, new, (newer, 1), "canary", 0.25, "test", "late")


@pytest.mark.parametrize(
    ("step", "share", "reason", "error"),
    [
        ("canary", -0.1, "why", r"expected 0 \(a shadow\) or more and below 1"),
        ("canary", 1.0, "why", "1 is a release"),
        ("canary", float("nan"), "why", "expected 0"),
        ("aborted", 0.0, "why", "no step of it stands"),
        ("sideways", 0.5, "why", "expected 'canary' or 'aborted'"),
        ("canary", 0.5, " ", "actor and a reason"),
    ],
)
def test_take_step__refuses_what_cannot_be_one(shop, step, share, reason, error):
    ledger, old, new, _ = shop
    with pytest.raises(LedgerError, match=error):
        take_step(ledger, new, (old, 0), step, share, "test", reason)
    assert steps(ledger) == []


def test_take_step__refuses_the_live_an_unknown_and_an_older_release(shop):
    ledger, old, new, _ = shop
    with pytest.raises(LedgerError, match="live already"):
        take_step(ledger, old, (old, 0), "canary", 0.5, "test", "why")
    with pytest.raises(LedgerError, match="no release 'r-9'"):
        take_step(ledger, "r-9", (old, 0), "canary", 0.5, "test", "why")
    ledger.move(new, old, "release", "test", "on", "d-1")
    with pytest.raises(StaleMove, match="is newer"):
        take_step(ledger, old, (new, 0), "canary", 0.5, "test", "why")


def test_open__takes_over_a_ledger_of_version_3_and_links_no_row_twice(tmp_path):
    file = tmp_path / "ledger.db"
    before = Ledger(f"sqlite:///{file}")
    old = before.add_release(make_release(44)).release_id
    before.move(old, None, "release", "test", "first", "d-1")
    before.close()
    with sqlite3.connect(file) as raw:
        raw.executescript(
            "DROP TABLE release_steps; DROP TRIGGER versions_no_update; UPDATE versions SET version = 3;"
        )
    after = Ledger(f"sqlite:///{file}")
    assert after.verify().faults == ()
    assert after.verify().links == 2
    assert steps(after) == []
    after.close()
