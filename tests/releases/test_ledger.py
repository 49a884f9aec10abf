"""The ledger on SQLite and on a real PostgreSQL."""

import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from endpoint_under_test import make_release
from sqlalchemy.exc import DBAPIError

from pipelines.releases import schema
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LeaseTaken, LedgerError, Run, StaleMove, release_id_of, utc_now

RACERS = 4


@pytest.fixture
def ledger(url):
    ledger = Ledger(url)
    yield ledger
    ledger.close()


def add(ledger, week, letter):
    return ledger.add_release(make_release(week, letter * 64)).release_id


def release(ledger, release_id, expected):
    return ledger.move(release_id, expected, "release", "tester", "it passed", "d-1")


def roll_back(ledger, release_id, expected):
    return ledger.move(release_id, expected, "rollback", "tester", "it was bad")


def test_ledger__is_empty_at_first(ledger):
    assert ledger.live() is None
    assert ledger.previous() is None
    assert ledger.history() == []
    assert ledger.releases() == []


def test_move__makes_live_and_keeps_the_order(ledger):
    first, second = add(ledger, 44, "a"), add(ledger, 45, "b")
    release(ledger, first, None)
    assert ledger.live().release_id == first
    assert ledger.previous() is None
    move = release(ledger, second, first)
    assert (move.seq, move.previous_release_id) == (2, first)
    assert ledger.live().release_id == second
    assert ledger.previous().release_id == first
    assert [(row.seq, row.release_id) for row in ledger.history()] == [(1, first), (2, second)]
    assert ledger.history()[1] == move


def test_live_at__is_the_last_move_until_then(ledger, monkeypatch):
    first, second = add(ledger, 44, "a"), add(ledger, 45, "b")
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    for hours, move in enumerate(
        (lambda: release(ledger, first, None), lambda: release(ledger, second, first))
    ):
        monkeypatch.setattr("pipelines.releases.ledger.utc_now", lambda at=noon + timedelta(hours=hours): at)
        move()

    instant = timedelta(microseconds=1)
    assert ledger.live_at(noon - instant) is None
    assert ledger.live_at(noon).release_id == first
    assert ledger.live_at(noon + timedelta(hours=1) - instant).release_id == first
    assert ledger.live_at(noon + timedelta(hours=1)).release_id == second
    # The same moment, told in the time of another zone.
    berlin = timezone(timedelta(hours=1))
    assert ledger.live_at(datetime(2026, 11, 1, 13, 30, tzinfo=berlin)).release_id == first
    assert ledger.live_at(datetime(2026, 11, 1, 14, 0, tzinfo=berlin)).release_id == second


def test_move__times_are_utc_and_come_back_as_they_went_in(ledger):
    before = utc_now()
    kept = ledger.release(add(ledger, 44, "a"))
    assert kept.created_at.utcoffset() == timedelta(0)
    assert before - timedelta(seconds=1) < kept.created_at < utc_now() + timedelta(seconds=1)


def test_move__refuses_when_something_else_is_live(ledger):
    first, second, third = add(ledger, 44, "a"), add(ledger, 45, "b"), add(ledger, 45, "c")
    release(ledger, first, None)
    release(ledger, second, first)
    with pytest.raises(StaleMove, match=f"judged against {first}, but {second} is live"):
        release(ledger, third, first)
    with pytest.raises(StaleMove, match="judged against no release"):
        release(ledger, third, None)
    assert ledger.live().release_id == second


def test_move__refuses_an_older_week_but_not_as_a_rollback(ledger):
    newer, older = add(ledger, 45, "b"), add(ledger, 44, "a")
    release(ledger, newer, None)
    with pytest.raises(StaleMove, match="newer"):
        release(ledger, older, newer)
    assert ledger.live().release_id == newer
    roll_back(ledger, older, newer)
    assert ledger.live().release_id == older


def test_previous__after_a_rollback_is_never_what_was_rolled_back(ledger):
    a, b, c = add(ledger, 44, "a"), add(ledger, 45, "b"), add(ledger, 46, "c")
    release(ledger, a, None)
    release(ledger, b, a)
    release(ledger, c, b)
    roll_back(ledger, b, c)
    assert ledger.previous().release_id == a
    roll_back(ledger, a, b)
    assert ledger.previous() is None
    release(ledger, c, a)
    assert ledger.previous().release_id == a


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": " "}, "reason"),
        ({"actor": ""}, "actor"),
        ({"decision_id": ""}, "decision"),
        ({"release_id": "r-1-none"}, "no release 'r-1-none'"),
    ],
)
def test_move__needs_an_explanation_and_a_known_release(ledger, change, words):
    asked = {
        "release_id": add(ledger, 44, "a"),
        "expected_live": None,
        "kind": "release",
        "actor": "tester",
        "reason": "it passed",
        "decision_id": "d-1",
    }
    with pytest.raises(LedgerError, match=words):
        ledger.move(**(asked | change))
    assert ledger.history() == []


def race(url, release_id, barrier, results):
    racer = Ledger(url)
    barrier.wait()
    try:
        release(racer, release_id, None)
        results.put(release_id)
    except StaleMove:
        results.put(None)


def test_move__of_processes_at_once_exactly_one_wins(ledger, url):
    spawn = multiprocessing.get_context("spawn")
    results, barrier = spawn.Queue(), spawn.Barrier(RACERS)
    ids = [add(ledger, 44, letter) for letter in "abcd"]
    racers = [spawn.Process(target=race, args=(url, name, barrier, results)) for name in ids]
    for racer in racers:
        racer.start()
    outcomes = [results.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join(30)
    winners = [name for name in outcomes if name]
    assert len(winners) == 1
    assert ledger.live().release_id == winners[0]
    assert len(ledger.history()) == 1


def test_move__a_writer_that_read_before_another_wrote_loses_by_the_primary_key(ledger):
    """The order a lock would prevent: both have read seq 0, then both insert seq 1."""
    first, second = add(ledger, 44, "a"), add(ledger, 44, "b")
    move = release(ledger, first, None)
    row = {
        name: getattr(move, name) for name in ("seq", "kind", "actor", "reason", "decision_id", "moved_at")
    }
    with pytest.raises(DBAPIError), ledger.engine.begin() as connection:
        connection.execute(schema.moves.insert().values(**row, release_id=second))
    assert ledger.live().release_id == first


@pytest.mark.parametrize("table", ["decisions", "runs", "releases", "moves"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {} = 'x'", "DELETE FROM {}"])
def test_ledger__refuses_to_change_history(ledger, table, verb):
    ledger.record_decision("run-1", "quality", "PASS", "good", {})
    ledger.record_run(make_run())
    release(ledger, add(ledger, 44, "a"), None)
    column = {"decisions": "summary", "runs": "tree_id", "releases": "bento_tag", "moves": "reason"}[table]
    with pytest.raises(DBAPIError, match="append-only"), ledger.engine.begin() as connection:
        connection.execute(sa.text(verb.format(table, column)))


def make_run(run_id="run-1", outcome="promoted", fingerprint="f1"):
    return Run(run_id, fingerprint, "tree", False, 44, outcome, "d-1", utc_now())


def test_seen__gives_the_last_run_of_the_fingerprint(ledger):
    assert ledger.seen("f1") is None
    ledger.record_run(make_run("run-1", "refused"))
    ledger.record_run(make_run("run-2", "promoted"))
    ledger.record_run(make_run("run-3", "promoted", "f2"))
    assert ledger.seen("f1").run_id == "run-2"
    assert ledger.seen("f3") is None


def test_seen__passes_over_the_run_that_asks(ledger):
    ledger.record_run(make_run("run-1"))
    assert ledger.seen("f1", besides="run-1") is None
    assert ledger.seen("f1", besides="run-2").run_id == "run-1"


def test_seen__passes_over_a_refused_package_which_says_nothing_about_the_model(ledger):
    ledger.record_run(make_run("run-1", "refused_package"))
    assert ledger.seen("f1") is None
    ledger.record_run(make_run("run-2", "refused_approval"))
    ledger.record_run(make_run("run-3", "refused_package"))
    assert ledger.seen("f1").run_id == "run-2"


def test_record_run__that_ends_alike_on_other_inputs_is_found_by_each(ledger):
    for fingerprint in ("f1", "f2", "f2", "f3"):
        ledger.record_run(make_run("run-1", "refused", fingerprint))
    for fingerprint in ("f1", "f2", "f3"):
        found = ledger.seen(fingerprint)
        assert (found.run_id, found.outcome, found.fingerprint) == ("run-1", "refused", fingerprint)
    ledger.record_run(make_run("run-1", "refused_package", "f4"))
    ledger.record_run(make_run("run-1", "refused_package", "f5"))
    assert ledger.seen("f5") is None
    with ledger.engine.connect() as connection:
        assert len(connection.execute(sa.select(schema.runs)).all()) == 5


def test_record_run__twice_is_once_and_another_ending_is_another_row(ledger):
    ledger.record_run(make_run(outcome="refused"))
    ledger.record_run(make_run(outcome="refused"))
    ledger.record_run(make_run(outcome="promoted"))
    assert ledger.seen("f1").outcome == "promoted"
    with ledger.engine.connect() as connection:
        assert len(connection.execute(sa.select(schema.runs)).all()) == 2


def test_record_decision__is_kept_once_and_found_by_its_run(ledger):
    asked = ("run-1", "quality", "FAIL", "worse than popularity", {"checks": [], "ü": 1})
    name = ledger.record_decision(*asked)
    assert ledger.record_decision(*asked) == name
    assert ledger.record_decision("run-2", *asked[1:]) != name
    assert [row.decision_id for row in ledger.decisions("run-1")] == [name]
    assert ledger.decision(name).verdict == "FAIL"
    assert ledger.decision("d-none") is None


def test_add_release__keeps_the_first_of_the_same_content(ledger):
    first = make_release(44, "a" * 64, "/old/home/bento")
    ledger.add_release(first)
    again = replace(first, created_at=utc_now(), run_id="run-2", bento_path="/new/home/bento")
    assert ledger.add_release(again) == first


@pytest.mark.parametrize(
    ("field", "value"), [("bundle_sha256", "a" * 63 + "b"), ("bento_tag", "shoploop:other-code")]
)
def test_add_release__refuses_another_content_of_the_same_id_and_names_both(ledger, field, value):
    first = make_release(44, "a" * 64, "/bentos/first")
    ledger.add_release(first)
    with pytest.raises(LedgerError, match=r"(?s)/bentos/first .*/bentos/second .*two Bentos, one id"):
        ledger.add_release(replace(first, bento_path="/bentos/second", **{field: value}))
    assert ledger.releases() == [first]


def test_release_id_of__is_week_and_content():
    assert release_id_of(44, "0123456789abcdef") == "r-44-01234567"


def test_lease__is_held_by_one_and_given_back(ledger, url):
    other = Ledger(url)
    with ledger.lease("run-1", 60):
        with pytest.raises(LeaseTaken, match="run-1 until"), other.lease("run-2", 60):
            pass
        with ledger.lease("run-1", 60):
            pass
    with other.lease("run-2", 60):
        pass
    other.close()


def test_lease__lapses_when_its_holder_dies(ledger):
    ledger._take_lease("traffic", "dead", -1)
    with ledger.lease("run-2", 60):
        pass


def test_preparations__are_asked_again_and_withdrawn(ledger):
    name = add(ledger, 44, "a")
    first = ledger.request_preparation(name)
    second = ledger.request_preparation(name)
    assert second > first
    assert [(release.release_id, at) for release, at in ledger.plan().prepared] == [(name, second)]
    ledger.withdraw_preparation(name)
    assert ledger.plan().prepared == ()
    with pytest.raises(LedgerError, match="no release"):
        ledger.request_preparation("r-1-none")


def test_utc_date_time__refuses_a_time_without_a_zone(ledger):
    naive = utc_now().replace(tzinfo=None)
    with pytest.raises(Exception, match="aware times only"):
        ledger.add_release(replace(make_release(44), created_at=naive))
