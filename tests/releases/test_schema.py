"""Ledgers of other versions: those of older ones, made here by their own SQL, are brought up to date."""

import hashlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa
from test_chain import fill, tamper, told

from pipelines.releases import schema
from pipelines.releases.ledger import Ledger
from pipelines.releases.overrides import override_decision
from pipelines.releases.records import LedgerError, utc_now

VERSION_1 = """
CREATE TABLE decisions (decision_id TEXT NOT NULL PRIMARY KEY, run_id TEXT NOT NULL, kind TEXT NOT NULL,
    verdict TEXT NOT NULL, summary TEXT NOT NULL, body TEXT NOT NULL, created_at {moment} NOT NULL);
CREATE TABLE runs (run_id TEXT NOT NULL, outcome TEXT NOT NULL, fingerprint TEXT NOT NULL, tree_id TEXT NOT NULL,
    dirty BOOLEAN NOT NULL, week INTEGER NOT NULL, decision_id TEXT NOT NULL, finished_at {moment} NOT NULL,
    PRIMARY KEY (run_id, outcome));
CREATE INDEX ix_runs_fingerprint ON runs (fingerprint);
CREATE TABLE releases (release_id TEXT NOT NULL PRIMARY KEY, created_at {moment} NOT NULL, run_id TEXT NOT NULL,
    decision_id TEXT NOT NULL, bento_tag TEXT NOT NULL, bento_path TEXT NOT NULL, bundle_sha256 TEXT NOT NULL,
    model_version TEXT NOT NULL, week INTEGER NOT NULL, tree_id TEXT NOT NULL, dirty BOOLEAN NOT NULL,
    dvc_lock_sha256 TEXT NOT NULL, params_sha256 TEXT NOT NULL, lock_sha256 TEXT NOT NULL);
CREATE TABLE moves (seq INTEGER NOT NULL PRIMARY KEY, release_id TEXT NOT NULL REFERENCES releases (release_id),
    previous_release_id TEXT REFERENCES releases (release_id), kind TEXT NOT NULL, actor TEXT NOT NULL,
    reason TEXT NOT NULL, decision_id TEXT NOT NULL, moved_at {moment} NOT NULL,
    CONSTRAINT kind_is_known CHECK (kind IN ('release', 'rollback')),
    CONSTRAINT moves_are_explained CHECK (reason <> '' AND actor <> ''));
CREATE TABLE lease (name TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, expires_at {moment} NOT NULL);
CREATE TABLE preparations (release_id TEXT NOT NULL PRIMARY KEY REFERENCES releases (release_id),
    requested_at {moment} NOT NULL);
INSERT INTO decisions VALUES ('d-quality-1', 'run-1', 'quality', 'FAIL', 'it failed', '{{}}', '{time}');
INSERT INTO runs VALUES ('run-1', 'promoted', 'f1', 't1', {no}, 44, 'd-quality-1', '{time}');
INSERT INTO releases VALUES ('r-44-b', '{time}', 'run-2', 'd-quality-1', 'shoploop:b', '/b', 'bb', '2', 44, 't1', {no},
    '11', '22', '33');
INSERT INTO releases VALUES ('r-44-a', '{time}', 'run-1', 'd-quality-1', 'shoploop:a', '/a', 'aa', '1', 44, 't1', {no},
    '11', '22', '33');
INSERT INTO moves VALUES (1, 'r-44-a', NULL, 'release', 'a tester', 'it passed', 'd-quality-1', '{time}');
INSERT INTO moves VALUES (2, 'r-44-b', 'r-44-a', 'release', 'a tester', 'it passed', 'd-quality-1', '{time}')
"""
OPENERS = 6
ONE_HOUR = timedelta(hours=1)
WORDS = {
    "sqlite": {"moment": "DATETIME", "time": "2026-10-01 12:00:00.000000", "no": "0"},
    "postgresql": {"moment": "TIMESTAMP WITH TIME ZONE", "time": "2026-10-01 12:00:00+00", "no": "false"},
}


@pytest.fixture
def version_1(url):
    """A ledger as a shoploop without a chain left it: six rows."""
    dialect = url.partition(":")[0]
    script = VERSION_1.format(**WORDS[dialect])
    if dialect == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(script)
    else:
        with psycopg.connect(url) as connection:
            connection.execute(script)
    return url


def test_open__links_the_rows_of_version_1_by_table_and_key(version_1):
    ledger = Ledger(version_1)
    found = ledger.verify()
    assert (found.links, found.adopted, found.faults) == (6, 6, ())
    with ledger.engine.connect() as connection:
        order = connection.execute(
            sa.select(schema.chain.c.table_name, schema.chain.c.row_key).order_by(schema.chain.c.seq)
        ).all()
    assert order == [
        ("decisions", '["d-quality-1"]'),
        ("runs", '["run-1", "promoted"]'),
        ("releases", '["r-44-a"]'),
        ("releases", '["r-44-b"]'),
        ("moves", "[1]"),
        ("moves", "[2]"),
    ]


def test_open__of_version_1_links_alike_on_every_database(version_1):
    # The chain is of what the rows say, not of how a database keeps them. Worked out with sha256 alone, each link of
    # "before\\nseq\\ntable\\nkey\\nsha256 of the row as sorted JSON\\nadopted: True".
    assert Ledger(version_1).head() == "79e5961c1eab0c64ffb910c8cec1dd0cff374b37c43952aed19eea0a26778f5f"


def test_open__of_version_1_keeps_what_it_says_and_grows(version_1):
    ledger = Ledger(version_1)
    assert ledger.live().release_id == "r-44-b"
    assert ledger.plan().previous.release_id == "r-44-a"
    ledger.move("r-44-a", "r-44-b", "rollback", "a tester", "it was bad")
    found = Ledger(version_1).verify()
    assert (found.links, found.adopted, found.faults) == (7, 6, ())
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), ledger.engine.connect() as connection:
        connection.execute(schema.chain.delete())


def test_open__by_several_at_once_adopts_once(version_1):
    start = threading.Barrier(OPENERS)

    def open_at_once(_number):
        start.wait()
        return Ledger(version_1).head()

    with ThreadPoolExecutor(OPENERS) as openers:
        heads = set(openers.map(open_at_once, range(OPENERS)))
    found = Ledger(version_1).verify()
    assert heads == {found.head}
    assert (found.links, found.adopted, found.faults) == (6, 6, ())


def as_version_2(ledger):
    """Version 2 had a chain, and no overrides."""
    tamper(
        ledger,
        "DROP TABLE gate_overrides",
        "DELETE FROM versions",
        schema.versions.insert().values(version=2, since=utc_now()),
    )
    ledger.close()


def test_open__gives_version_2_its_new_table_and_links_nothing_twice(url):
    ledger = fill(Ledger(url))
    head = ledger.head()
    as_version_2(ledger)

    grown = Ledger(url)
    refused = grown.record_decision("run-3", "quality", "FAIL", "it failed", {"checks": []})
    override_decision(grown, refused, "a tester", "it is urgent", utc_now() + ONE_HOUR)
    found = Ledger(url).verify(head)

    assert (found.links, found.adopted, found.faults) == (10, 0, ())


def test_open__never_links_what_was_slipped_in_before_the_tables_were_brought_up_to_date(url):
    ledger = fill(Ledger(url))
    tamper(ledger, "DELETE FROM chain WHERE seq > 6")
    as_version_2(ledger)
    assert ("moves", "the row was slipped in: it has no link") in told(Ledger(url))
    tamper(ledger, "DELETE FROM versions")
    assert ("moves", "the row was slipped in: it has no link") in told(Ledger(url))


def test_open__refuses_a_ledger_of_a_newer_version(url):
    ledger = Ledger(url)
    tamper(ledger, schema.versions.insert().values(version=99, since=utc_now()))
    ledger.close()
    with pytest.raises(
        LedgerError, match=r"tables of version 99, this one knows \d+.*update this installation"
    ):
        Ledger(url)


def test_version__is_another_when_the_tables_are():
    """A ledger of the same number is opened as it is: without a new number it would lack what was added."""
    columns = [
        f"{table.name}.{column.name} {type(column.type).__name__} {column.nullable} {column.primary_key}"
        for table in schema.metadata.sorted_tables
        for column in table.columns
    ]
    digest = hashlib.sha256("\n".join(sorted(columns)).encode()).hexdigest()[:12]
    assert (schema.VERSION, digest) == (4, "b2c013a1f7c4"), "raise schema.VERSION, then put both here"
