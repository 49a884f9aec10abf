"""A real Redis for the tests."""

import os

import pytest

from benchmarks.redis_server import NO_SERVER, RedisServer, server_binary


class RedisUnderTest(RedisServer):
    """Without a server the test is skipped, and fails where CI says that there must be one."""

    def __init__(self, *options: str) -> None:
        if server_binary() is None and os.environ.get("CI"):
            pytest.fail(NO_SERVER)
        if server_binary() is None:
            pytest.skip(NO_SERVER)
        super().__init__(*options)
