"""A home comes back whole from its backup, taken while others write, or not at all."""

import io
import sqlite3
import tarfile
import threading
from contextlib import closing

import pytest

from pipelines.releases.ledger import Ledger
from pipelines.releases.records import LedgerError
from pipelines.settings import Settings
from pipelines.stack.home_backup import INDEX, HomeBackupError, back_up_home, not_in_it, restore_home


def quiet(line):
    """Progress that nobody reads."""


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def shop(tmp_path):
    here = Settings(home=tmp_path / "home")
    write(here.landing / "accepted/week-1.parquet", b"rows" * 1000)
    write(here.secrets_file, b'{"airflow": "secret"}').chmod(0o600)
    cached = write(here.dvc_cache / "files/md5/ab/cd", b"a model")
    cached.chmod(0o444)
    (here.workspaces / "run-1").mkdir(parents=True)
    (here.workspaces / "run-1/model.npz").hardlink_to(cached)
    write(here.home / "logs/mlflow.log", b"not kept")
    write(here.home / "cache/keras/x", b"not kept")
    (here.home / "escape").symlink_to("/etc/passwd")
    here.state_file.parent.mkdir()
    with closing(sqlite3.connect(here.state_file)) as state:
        state.execute("PRAGMA journal_mode=WAL")
        state.execute("CREATE TABLE posted (seq INTEGER PRIMARY KEY, twice INTEGER)")
        state.executemany("INSERT INTO posted VALUES (?, ?)", [(at, 2 * at) for at in range(50)])
        state.commit()
    ledger = Ledger(here.ledger)
    for number in range(3):
        ledger.record_decision(f"run-{number}", "quality", "PASS", "", {"number": number})
    ledger.close()
    return here


@pytest.fixture
def empty(tmp_path):
    return Settings(home=tmp_path / "elsewhere" / "home")


def files(home):
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def test_restore_home__brings_back_files_modes_links_databases_and_the_ledger(shop, empty, tmp_path):
    told = []
    written = back_up_home(shop, tmp_path / "all.tar.gz", told.append)
    found = restore_home(empty, tmp_path / "all.tar.gz", quiet)

    assert found == written
    assert found.links == 3
    assert {line.split()[0] for line in told} == {
        "dvc-cache",
        "landing",
        "secrets.json",
        "state",
        "workspaces",
    }
    assert (empty.landing / "accepted/week-1.parquet").read_bytes() == b"rows" * 1000
    assert empty.secrets_file.stat().st_mode & 0o777 == 0o600
    cached = empty.dvc_cache / "files/md5/ab/cd"
    assert cached.stat().st_mode & 0o777 == 0o444
    assert cached.samefile(empty.workspaces / "run-1/model.npz")
    assert cached.stat().st_mtime == pytest.approx((shop.dvc_cache / "files/md5/ab/cd").stat().st_mtime)
    assert files(empty.home) == files(shop.home) - {
        *("cache/keras/x", "escape", "logs/mlflow.log"),
        *(name for name in files(shop.home) if name.endswith(("-wal", "-shm"))),
    }
    with closing(sqlite3.connect(empty.state_file)) as state:
        assert state.execute("SELECT sum(twice) FROM posted").fetchone() == (2450,)
    ledger = Ledger(empty.ledger)
    assert ledger.verify(written.head).faults == ()
    ledger.close()
    assert [path.name for path in empty.home.parent.iterdir()] == ["home"]


def test_back_up_home__has_a_database_of_one_moment_while_a_process_writes_to_it(shop, empty, tmp_path):
    done = threading.Event()

    def post():
        with closing(sqlite3.connect(shop.state_file, timeout=30)) as state:
            at = 50
            while not done.is_set():
                with state:  # two rows in one transaction: both or none
                    state.executemany("INSERT INTO posted VALUES (?, ?)", [(at, 2 * at), (at + 1, 0)])
                at += 2

    writer = threading.Thread(target=post)
    writer.start()
    try:
        back_up_home(shop, tmp_path / "all.tar.gz", quiet)
    finally:
        done.set()
        writer.join()
    restore_home(empty, tmp_path / "all.tar.gz", quiet)
    with closing(sqlite3.connect(empty.state_file)) as state:
        assert state.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert state.execute("SELECT count(*) % 2 FROM posted").fetchone() == (0,)


def test_back_up_home__is_for_its_owner_only_and_leaves_nothing_half_written(shop, tmp_path):
    file = tmp_path / "all.tar.gz"
    back_up_home(shop, file, quiet)
    assert file.stat().st_mode & 0o777 == 0o600

    with closing(sqlite3.connect(shop.home / "ledger.db")) as ledger:
        for (trigger,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            ledger.execute(f"DROP TRIGGER {trigger}")
        ledger.execute("UPDATE decisions SET verdict = 'FAIL'")
        ledger.commit()
    with pytest.raises(LedgerError, match="does not verify"):
        back_up_home(shop, tmp_path / "second.tar.gz", quiet)
    with pytest.raises(HomeBackupError, match="choose another place"):
        back_up_home(shop, tmp_path / "no folder" / "third.tar.gz", quiet)
    with pytest.raises(HomeBackupError, match="choose a place outside of it"):
        back_up_home(shop, shop.home / "fourth.tar.gz", quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.tar.gz", "home"]


def test_back_up_home__without_a_home_makes_none(tmp_path):
    with pytest.raises(HomeBackupError, match="no such home"):
        back_up_home(Settings(home=tmp_path / "nowhere"), tmp_path / "all.tar.gz", quiet)
    assert list(tmp_path.iterdir()) == []


def test_restore_home__touches_no_home_that_is_in_use(shop, tmp_path):
    back_up_home(shop, tmp_path / "all.tar.gz", quiet)
    before = files(shop.home)
    with pytest.raises(HomeBackupError, match="is not empty: move it away"):
        restore_home(shop, tmp_path / "all.tar.gz", quiet)
    assert files(shop.home) == before


def rewritten(file, change):
    """The archive again with some members changed: ``change`` takes name and content, None leaves one out."""
    with tarfile.open(file) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive if member.isfile()]
    with tarfile.open(file, "w:gz") as archive:
        for member, content in members:
            new = change(member.name, content)
            if new is not None:
                about = tarfile.TarInfo(member.name)
                about.size = len(new)
                archive.addfile(about, io.BytesIO(new))


SPOILT = {
    "a changed file": (
        lambda n, c: b"x" + c if n.endswith("parquet") else c,
        "parquet is not what was backed up",
    ),
    "a missing file": (
        lambda n, c: None if n.endswith("parquet") else c,
        "parquet is not what was backed up",
    ),
    "no index": (lambda n, c: None if n == INDEX else c, "no whole backup"),
    "another kind": (
        lambda n, c: b'{"kind": "photos"}' if n == INDEX else c,
        r"no whole backup of a home \(photos\)",
    ),
    "another format": (
        lambda n, c: c.replace(b'"format": 1', b'"format": 2') if n == INDEX else c,
        "has format 2, this shoploop reads 1",
    ),
    "an index of another form": (lambda n, c: b"[]" if n == INDEX else c, "no whole backup"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_restore_home__refuses(name, shop, empty, tmp_path):
    change, words = SPOILT[name]
    file = tmp_path / "all.tar.gz"
    back_up_home(shop, file, quiet)
    rewritten(file, change)
    with pytest.raises(HomeBackupError, match=words):
        restore_home(empty, file, quiet)
    assert list(empty.home.parent.iterdir()) == []


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_restore_home__refuses_what_is_cut_off(share, shop, empty, tmp_path):
    file = tmp_path / "all.tar.gz"
    back_up_home(shop, file, quiet)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(HomeBackupError, match=r"all\.tar\.gz: is no whole backup of a home"):
        restore_home(empty, file, quiet)
    assert list(empty.home.parent.iterdir()) == []


def test_restore_home__writes_nothing_outside_of_the_home(empty, tmp_path):
    file = tmp_path / "all.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        about = tarfile.TarInfo("../../stolen")
        archive.addfile(about, io.BytesIO())
    with pytest.raises(HomeBackupError, match="no whole backup"):
        restore_home(empty, file, quiet)
    assert not (tmp_path / "stolen").exists()
    with pytest.raises(HomeBackupError, match="No such file"):
        restore_home(empty, tmp_path / "nothing.tar.gz", quiet)


def test_not_in_it__names_what_lies_elsewhere(tmp_path):
    assert not_in_it(Settings(home=tmp_path)) == []
    other = Settings(home=tmp_path, mlflow_url="http://mlflow", airflow_database_url="postgresql://a")
    assert not_in_it(other) == ["MLflow", "Airflow's database"]
