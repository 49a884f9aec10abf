"""Real servers for the tests of readers."""

import os
import sqlite3
import uuid
from contextlib import closing

import boto3
import httpx
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from tests.releases.postgres_under_test import PostgresUnderTest
from tests.sources.readers import mariadb_under_test
from tests.sources.readers.log_under_test import Log

SIGQUIT = 3  # PostgreSQL's immediate shutdown: as after a power cut


class Database:
    """One empty database for a test."""

    def __init__(self, kind, url, connect, server=None):
        self.kind, self.url, self._connect, self._server = kind, url, connect, server

    def run(self, *statements):
        with closing(self._connect()) as connection:
            cursor = connection.cursor()
            for statement, *values in statements:
                cursor.executemany(statement, values[0]) if values else cursor.execute(statement)
            connection.commit()

    def add(self, table, rows):
        place = "?" if self.kind == "sqlite" else "%s"
        places = ", ".join([place] * len(rows[0]))
        self.run((f"insert into {table} values ({places})", rows))

    def crash(self):
        if self.kind == "postgresql":
            self._server.process.send_signal(SIGQUIT)
            self._server.process.wait(20)
        else:
            self._server.kill()

    def start(self):
        self._server.start()


@pytest.fixture(scope="session")
def postgres_server():
    server = PostgresUnderTest()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def mariadb_server():
    if mariadb_under_test.PROGRAM is None:
        message = "needs MariaDB: apt-get install mariadb-server-core"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    server = mariadb_under_test.MariaDbUnderTest()
    yield server
    server.remove()


@pytest.fixture
def postgres(postgres_server):
    url = postgres_server.new_database()
    return Database("postgresql", url, lambda: psycopg.connect(url), postgres_server)


@pytest.fixture
def mariadb(mariadb_server):
    name = mariadb_server.new_database()
    return Database("mysql", mariadb_server.url(name), lambda: mariadb_server.connect(name), mariadb_server)


@pytest.fixture
def sqlite(tmp_path):
    path = tmp_path / f"{uuid.uuid4().hex[:8]}.db"
    sqlite3.connect(path).close()
    return Database("sqlite", f"sqlite:///{path}", lambda: sqlite3.connect(path))


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def database(request):
    """A test that takes this runs on each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["postgres", "mariadb"])
def served(request):
    """A database with a server."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def s3_server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server, monkeypatch):
    """A client; pyarrow and boto3 take endpoint and credentials from the same variables."""
    httpx.post(f"{s3_server}/moto-api/reset")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = boto3.client("s3")
    client.create_bucket(Bucket="shop")
    return client


@pytest.fixture
def log():
    log = Log()
    yield log
    log.stop()
