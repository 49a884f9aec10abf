"""The word that says which arm a process is."""

import pytest

from serving.watched_word import REFRESH_SECONDS, WatchedWord


@pytest.fixture
def clock():
    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    return Clock()


def test_variant__follows_its_file_without_reading_it_for_every_request(tmp_path, clock):
    file = tmp_path / "variant"
    variant = WatchedWord(file, "champion", clock)
    assert variant() == "champion"
    file.write_text("canary\n")
    assert variant() == "champion"
    clock.now += REFRESH_SECONDS
    assert variant() == "canary"
    file.unlink()
    clock.now += REFRESH_SECONDS
    assert variant() == "canary"


@pytest.mark.parametrize("content", [b"", b"two words", b"<script>", b"\xff", b"a" * 33])
def test_variant__keeps_the_last_good_word(tmp_path, clock, content):
    file = tmp_path / "variant"
    file.write_text("control")
    variant = WatchedWord(file, "champion", clock)
    assert variant() == "control"
    file.write_bytes(content)
    clock.now += REFRESH_SECONDS
    assert variant() == "control"


def test_variant__without_a_file_is_what_was_given(clock):
    assert WatchedWord(None, "champion", clock)() == "champion"
