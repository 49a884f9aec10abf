"""Whoever touches the ledger behind its back is found, on SQLite and on a real PostgreSQL."""

import multiprocessing
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from endpoint_under_test import make_release
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines.releases import schema
from pipelines.releases.chain import FIRST, row_sha256
from pipelines.releases.ledger import Ledger
from pipelines.releases.overrides import override_decision
from pipelines.releases.records import Run, utc_now
from pipelines.releases.stepping import take_step

WRITERS, EACH = 4, 40


@pytest.fixture
def ledger(url):
    ledger = fill(Ledger(url))
    yield ledger
    ledger.close()


def fill(ledger):
    """Two decisions, a run, two releases, three moves: eight rows."""
    for number in (1, 2):
        ledger.record_decision(f"run-{number}", "quality", "PASS", "it passed", {"number": number})
    ledger.record_run(Run("run-1", "f" * 64, "t" * 40, False, 44, "promoted", "d-1", utc_now()))
    first = ledger.add_release(make_release(44, "a" * 64)).release_id
    second = ledger.add_release(make_release(45, "b" * 64)).release_id
    ledger.move(first, None, "release", "a tester", "it passed", "d-1")
    ledger.move(second, first, "release", "a tester", "it passed", "d-2")
    ledger.move(first, second, "rollback", "a tester", "it was bad")
    return ledger


def tamper(ledger, *statements):
    """Run SQL as whoever owns the database can: with the guards taken away."""
    with ledger.engine.connect().execution_options(ledger_writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        else:
            query = sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in connection.execute(query).all():
                connection.execute(sa.text(f"DROP TRIGGER {name}"))
        for statement in statements:
            connection.execute(sa.text(statement) if isinstance(statement, str) else statement)


def told(ledger, **options):
    return [(fault.table, fault.what) for fault in ledger.verify(**options).faults]


def test_verify__of_a_ledger_that_only_grew_finds_nothing(ledger):
    found = ledger.verify()
    assert (found.links, found.adopted, found.faults) == (8, 0, ())
    assert found.head == ledger.head() != FIRST


def test_verify__of_an_empty_ledger(url):
    found = Ledger(url).verify()
    assert (found.links, found.head, found.faults) == (0, FIRST, ())


def test_row_sha256__is_of_all_columns_and_of_the_moment_not_of_its_zone():
    moment = datetime(2026, 11, 1, 12, tzinfo=UTC)
    row = {"a": 1, "at": moment}
    assert row_sha256(row) == row_sha256({"at": moment.astimezone(), "a": 1})
    # printf '{"a": 1, "at": "2026-11-01T12:00:00.000000+00:00"}' | sha256sum
    assert row_sha256(row) == "efb30d849b04dc585aa881d5666c82345893081b39fb9b545296025c89a70697"


@pytest.mark.parametrize(
    ("statement", "table", "what"),
    [
        (
            "UPDATE moves SET reason = 'another' WHERE seq = 2",
            "moves",
            "the row was changed after it was written",
        ),
        ("DELETE FROM moves WHERE seq = 3", "moves", "the row was removed"),
        ("DELETE FROM decisions WHERE run_id = 'run-1'", "decisions", "the row was removed"),
        (
            "UPDATE chain SET row_sha256 = 'x' WHERE seq = 4",
            "chain",
            "the link does not follow from the one before it",
        ),
        ("DELETE FROM chain WHERE seq = 4", "chain", "link 4 is missing before it"),
        (
            "INSERT INTO moves SELECT 4, release_id, previous_release_id, kind, actor, reason, decision_id, moved_at"
            " FROM moves WHERE seq = 3",
            "moves",
            "the row was slipped in: it has no link",
        ),
    ],
)
def test_verify__names_what_was_touched(ledger, statement, table, what):
    tamper(ledger, statement)
    assert (table, what) in told(ledger)


def test_verify__finds_two_rows_whose_places_were_exchanged(ledger):
    tamper(
        ledger,
        "UPDATE chain SET row_key = '[9]' WHERE seq = 6",
        "UPDATE chain SET row_key = '[1]' WHERE seq = 7",
    )
    assert "the link does not follow from the one before it" in [what for _, what in told(ledger)]


def test_verify__a_tail_cut_off_whole_is_known_by_a_head_that_was_noted(ledger):
    noted, links = ledger.head(), ledger.verify().links
    tamper(ledger, "DELETE FROM moves WHERE seq = 3", f"DELETE FROM chain WHERE seq = {links}")

    assert told(ledger) == []  # nothing inside the database tells
    ((table, what),) = told(ledger, expected_head=noted[:12])
    assert table == "chain"
    assert "rows after it were cut off" in what


def test_verify__a_head_that_was_noted_stays_in_the_chain_that_grows(ledger):
    noted = ledger.head()
    ledger.record_decision("run-3", "quality", "FAIL", "it failed", {})
    assert told(ledger, expected_head=noted) == []


ANY_DATABASE = [
    ("UPDATE chain SET adopted = true WHERE seq = 3", "chain", "the link does not follow"),
    ("UPDATE chain SET table_name = 'elsewhere' WHERE seq = 3", "chain", "the link does not follow"),
    ("DROP TABLE gate_overrides", "gate_overrides", "the table is missing"),
    ("DROP TABLE runs", "runs", "the table is missing"),
    ("DROP TABLE chain", "chain", "the table is missing"),
]
ONLY_SQLITE = [
    ("UPDATE moves SET moved_at = 'yesterday' WHERE seq = 2", "moves", "the row was changed"),
    ("UPDATE moves SET moved_at = 5 WHERE seq = 2", "moves", "the row was changed"),
    ("UPDATE moves SET reason = x'ff00' WHERE seq = 2", "moves", "the row was changed"),
    ("UPDATE moves SET reason = CAST(x'ff' AS TEXT) WHERE seq = 2", "moves", "the row was changed"),
    ("UPDATE runs SET dirty = 7", "runs", "the row was changed"),
    ("UPDATE runs SET week = 'soon'", "runs", "the row was changed"),
    ("UPDATE chain SET adopted = 'x' WHERE seq = 3", "chain", "the link does not follow"),
    ("UPDATE chain SET link_sha256 = x'ff' WHERE seq = 3", "chain", "the link does not follow"),
]
ONLY_POSTGRESQL = [
    ("UPDATE moves SET moved_at = 'infinity' WHERE seq = 2", "moves", "the row was changed"),
    ("UPDATE moves SET moved_at = '0044-03-15 BC' WHERE seq = 2", "moves", "the row was changed"),
]


@pytest.mark.parametrize(
    ("url", "statement", "table", "what"),
    [
        *(("sqlite", *case) for case in (*ANY_DATABASE, *ONLY_SQLITE)),
        *(("postgresql", *case) for case in (*ANY_DATABASE, *ONLY_POSTGRESQL)),
    ],
    indirect=["url"],
)
def test_verify__names_what_no_reader_of_the_ledger_understands(ledger, statement, table, what):
    tamper(ledger, statement)
    assert any(name == table and said.startswith(what) for name, said in told(ledger))


CELLS = [(table.name, column.name) for table in (*schema.CHAINED, schema.chain) for column in table.columns]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    ledger = fill(Ledger(f"sqlite:///{tmp_path_factory.mktemp('chain') / 'ledger.db'}"))
    refused = ledger.record_decision("run-3", "quality", "FAIL", "it failed", {"checks": []})
    override_decision(ledger, refused, "a tester", "it is urgent", utc_now() + timedelta(hours=1))
    candidate = ledger.add_release(make_release(46, "e" * 64)).release_id
    take_step(ledger, candidate, (ledger.live().release_id, 0), "canary", 0.05, "a tester", "begin")
    return ledger


@given(st.data())
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
def test_verify__finds_any_changed_cell(filled, tmp_path_factory, data):
    name, column = data.draw(st.sampled_from(CELLS))
    table = schema.metadata.tables[name]
    copy = tmp_path_factory.mktemp("copy") / "ledger.db"
    with (
        closing(sqlite3.connect(filled.engine.url.database)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    # Not the ledger's own engine: whoever tampers heeds no trigger and no foreign key.
    with sa.create_engine(f"sqlite:///{copy}").begin() as connection:
        connection.execute(sa.text(f"DROP TRIGGER {name}_no_update"))
        row = data.draw(st.sampled_from(connection.execute(sa.select(table)).mappings().all()))
        value = data.draw(another(row[column]))
        keys = [key == row[key.name] for key in table.primary_key]
        connection.execute(table.update().where(*keys).values({column: value}))

    faults = Ledger(f"sqlite:///{copy}").verify().faults
    assert faults[0].table == name
    assert {fault.table for fault in faults} == {name} or name == "chain"


def another(value):
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        return st.integers(100, 1000)
    if isinstance(value, datetime):
        return st.datetimes(datetime(2020, 1, 1), timezones=st.just(UTC)).filter(lambda found: found != value)
    if isinstance(value, float):
        return st.floats(2, 3)
    if value == "canary":
        return st.just("aborted")
    if value in ("release", "rollback"):
        return st.just("rollback" if value == "release" else "release")
    return st.text(st.characters(codec="ascii"), min_size=1).filter(lambda found: found != value)


def write_many(url, name, start):
    ledger = Ledger(url)
    start.wait()
    for number in range(EACH):
        ledger.record_decision(f"{name}-{number}", "quality", "PASS", "", {})


def test_append__by_several_processes_at_once_keeps_one_chain(url):
    Ledger(url).close()
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(WRITERS)
    writers = [
        context.Process(target=write_many, args=(url, f"writer-{number}", start)) for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = Ledger(url).verify()
    assert (found.links, found.faults) == (WRITERS * EACH, ())
