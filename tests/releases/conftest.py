"""Fixtures of the release tests."""

import pytest
from endpoint_under_test import EndpointUnderTest, run_and_clear
from postgres_under_test import PostgresUnderTest


@pytest.fixture
def endpoint(tmp_path):
    yield from run_and_clear(EndpointUnderTest(tmp_path))


@pytest.fixture
def endpoint_on_postgres(tmp_path, postgres):
    yield from run_and_clear(EndpointUnderTest(tmp_path, postgres.new_database()))


@pytest.fixture(scope="session")
def postgres():
    under_test = PostgresUnderTest()
    yield under_test
    under_test.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Of an empty ledger: on SQLite, then on a real PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return request.getfixturevalue("postgres").new_database()
