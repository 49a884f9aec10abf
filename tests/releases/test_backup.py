"""A backup holds every row of one moment and comes back whole, on another database too, or not at all."""

import gzip
import json
import threading

import pytest
import sqlalchemy as sa
from test_chain import fill, tamper

from pipelines.releases.backup import back_up, restore
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LedgerError


@pytest.fixture
def ledger(url):
    ledger = fill(Ledger(url))
    yield ledger
    ledger.close()


@pytest.fixture
def empty(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'empty' / 'ledger.db'}")
    yield ledger
    ledger.close()


def rewritten(file, change):
    """The same backup with one of its lines changed."""
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    file.write_bytes(gzip.compress("\n".join(change(lines)).encode()))


def test_restore__brings_back_every_row_on_another_database(ledger, empty, tmp_path):
    written = back_up(ledger, tmp_path / "ledger.gz")
    found = restore(empty, tmp_path / "ledger.gz")

    assert found == written == ledger.verify()
    assert empty.history() == ledger.history()
    assert empty.releases() == ledger.releases()
    assert empty.plan().live == ledger.plan().live
    empty.record_decision("run-3", "quality", "FAIL", "", {})
    assert empty.verify(written.head).faults == ()


def test_restore__into_postgresql(postgres, tmp_path):
    file = tmp_path / "ledger.gz"
    back_up(fill(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")), file)
    other = Ledger(postgres.new_database())
    restore(other, file)
    assert len(other.history()) == 3
    assert other.verify().faults == ()


def test_back_up__is_of_one_moment_while_others_write(ledger, empty, tmp_path):
    done = threading.Event()

    def write():
        while not done.is_set():
            ledger.record_decision(f"run-{ledger.verify().links}", "quality", "PASS", "", {})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backups = [back_up(ledger, tmp_path / f"{number}.gz") for number in range(5)]
    finally:
        done.set()
        writer.join()

    assert restore(empty, tmp_path / "4.gz") == backups[4]
    assert ledger.verify(backups[0].head).faults == ()


def test_back_up__of_a_ledger_that_was_touched_is_refused(ledger, tmp_path):
    tamper(ledger, "UPDATE moves SET reason = 'another' WHERE seq = 2")
    with pytest.raises(LedgerError, match="does not verify"):
        back_up(ledger, tmp_path / "ledger.gz")
    assert list(tmp_path.glob("*.gz*")) == []


def test_back_up__names_the_place_that_cannot_be_written(ledger, tmp_path):
    with pytest.raises(LedgerError, match=r"missing/ledger.gz: cannot be written"):
        back_up(ledger, tmp_path / "missing" / "ledger.gz")


def test_restore__never_mixes_with_what_is_there(ledger, tmp_path):
    back_up(ledger, tmp_path / "ledger.gz")
    with pytest.raises(LedgerError, match="has rows already"):
        restore(ledger, tmp_path / "ledger.gz")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda lines: [line.replace("it was bad", "it was good") for line in lines],
            "moves .*the row was changed",
        ),
        (lambda lines: [line for line in lines if "it was bad" not in line], "moves .*the row was removed"),
        (lambda lines: lines[:-1], "the head that was noted is not in the chain|the row was slipped in"),
        (
            lambda lines: [json.dumps(json.loads(lines[0]) | {"version": 1}), *lines[1:]],
            "has tables of version 1",
        ),
        (lambda lines: [*lines, '{"table": "moves", "row": {"seq": 9}}'], "has a row that does not fit"),
        (lambda lines: [*lines, '{"table": "strangers", "row": {}}'], "has a row that does not fit"),
        (lambda lines: ['{"kind": "else"}'], "is no whole backup of a ledger"),
        (lambda lines: [], "is no whole backup of a ledger"),
    ],
)
def test_restore__of_a_file_that_was_changed_leaves_the_ledger_empty(ledger, empty, tmp_path, change, says):
    file = tmp_path / "ledger.gz"
    back_up(ledger, file)
    rewritten(file, change)
    with pytest.raises(LedgerError, match=says):
        restore(empty, file)
    assert empty.verify().links == 0
    assert empty.history() == []


def test_restore__of_what_is_no_backup_says_so(empty, tmp_path):
    file = tmp_path / "ledger.gz"
    file.write_text("hello")
    with pytest.raises(LedgerError, match="is no whole backup"):
        restore(empty, file)
    back_up(fill(Ledger(f"sqlite:///{tmp_path / 'other.db'}")), file)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(LedgerError, match="is no whole backup"):
        restore(empty, file)
    with empty.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM chain")).scalar_one() == 0
