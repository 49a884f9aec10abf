"""A real MariaDB for the tests of one session, from Debian's mariadb-server-core."""

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import pymysql

from pipelines.releases.bento import free_port

UNPRIVILEGED = "nobody"
USER, PASSWORD = "shoploop", "a/right:one"
PROGRAM = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
# mariadb-install-db would need more packages than the server itself: these are the statements that it runs.
TABLES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
FIRST = "create database if not exists mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n"
LAST = f"""flush privileges;
create user {USER}@'127.0.0.1' identified by '{PASSWORD}';
grant all on *.* to {USER}@'127.0.0.1';
"""


class MariaDbUnderTest:
    """As root it runs as ``nobody``, in a folder of that user."""

    def __init__(self):
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="shoploop-mariadb-"))
        self.port = free_port()
        (self.folder / "data").mkdir()
        if self.user:
            shutil.chown(self.folder, self.user)
            shutil.chown(self.folder / "data", self.user)
        self._bootstrap()
        self.start()

    @property
    def command(self):
        small = ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--innodb-flush-method=nosync"]
        return [PROGRAM, "--no-defaults", "--skip-log-bin", f"--datadir={self.folder / 'data'}", *small]

    def _bootstrap(self):
        share = next(path for path in map(Path, ("/usr/share/mysql", "/usr/share/mariadb")) if path.is_dir())
        script = FIRST + "".join((share / name).read_text() for name in TABLES) + LAST
        run = [*self.command, "--bootstrap"]
        done = subprocess.run(
            run, input=script, text=True, user=self.user, cwd=self.folder, capture_output=True
        )
        assert done.returncode == 0, done.stderr

    def start(self):
        place = [f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.folder / 'socket'}"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *place, "--skip-name-resolve", f"--pid-file={self.folder / 'pid'}"],
                user=self.user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        for _ in range(400):
            try:
                self.connect(None).close()
            except pymysql.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def connect(self, database):
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, database=database, autocommit=True
        )

    def url(self, database, password="a%2Fright%3Aone"):
        return f"mysql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self):
        name = f"shop_{uuid.uuid4().hex[:8]}"
        with self.connect(None) as connection, connection.cursor() as cursor:
            cursor.execute(f"create database {name} character set utf8mb4")
        return name

    def kill(self):
        self.process.kill()
        self.process.wait(20)

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder)
