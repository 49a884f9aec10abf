"""Session files: both forms are read, and what is wrong is named with its place."""

import gzip
from pathlib import Path

import pytest

from benchmarks.sessions.reading import SessionFile, SessionFileError, read_sessions


def written(folder: Path, text: str | bytes, name: str = "sessions.txt") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, text: str) -> SessionFile:
    return read_sessions(written(folder, text))


def test_read_sessions__takes_whole_sessions_as_they_are(tmp_path: Path) -> None:
    found = read(tmp_path, "1 2 3\n1 2\n7\n")
    assert found.rows == found.sessions == [[1, 2, 3], [1, 2], [7]]
    assert not found.asks_last_only


def test_read_sessions__groups_prefixes_of_one_session(tmp_path: Path) -> None:
    found = read(tmp_path, "5 6 5\t8\n5 6\t5\n5\t6\n9\t5\n1\t2\n1 2\t4\n")
    assert found.rows == [[5, 6, 5, 8], [5, 6, 5], [5, 6], [9, 5], [1, 2], [1, 2, 4]]
    assert found.session == [0, 0, 0, 1, 2, 2]
    assert found.sessions == [[5, 6, 5, 8], [9, 5], [1, 2, 4]]
    assert found.asks_last_only


def test_read_sessions__unpacks_and_knows_the_same_content_again(tmp_path: Path) -> None:
    plain = read(tmp_path, "1 2\n")
    packed = read_sessions(written(tmp_path, gzip.compress(b"1 2\n"), "sessions.txt.gz"))
    assert packed.rows == plain.rows
    assert packed.sha256 == plain.sha256


def test_read_sessions__takes_lines_that_end_as_on_windows(tmp_path: Path) -> None:
    assert read(tmp_path, "1 2\t3\r\n4\t5\r\n").rows == [[1, 2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        ("", "sessions.txt: ", "an empty file"),
        ("1 2\n\n3 4\n", "line 2: ", "an empty line"),
        ("1 2\n3 x 4\n", "line 2, field 2: ", "'x'"),
        ("1 2\n3 -4\n", "line 2, field 2: ", "'-4'"),
        ("1 2\n3 4.0\n", "line 2, field 2: ", "'4.0'"),
        ("1 2\n3 ٤\n", "line 2, field 2: ", "'٤'"),
        (f"1 2\n3 {'9' * 30}\n", "line 2, field 2: ", "'999"),
        ("1 2\t3\n4 5\n", "line 2: ", "0 tabs"),
        ("1 2\n4\t5\n", "line 2: ", "one tab"),
        ("1\t2\t3\n", "line 1: ", "2 tabs"),
        ("1\t2\n3 4\t\n", "line 2, field 3: ", "''"),
        ("1\t2\n3 4\t5 6\n", "line 2, field 3: ", "'5 6'"),
        ("1\t2\n\t5\n", "line 2, field 1: ", "found none"),
    ],
)
def test_read_sessions__names_the_place_and_what_stands_there(
    tmp_path: Path, text: str, place: str, found: str
) -> None:
    with pytest.raises(SessionFileError) as error:
        read(tmp_path, text)
    assert place in str(error.value)
    assert found in str(error.value)
    assert ";" in str(error.value), "a remedy follows"


def test_read_sessions__refuses_what_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(SessionFileError, match=r"line 2: .* no UTF-8"):
        read_sessions(written(tmp_path, b"1 2\n\xff\xfe 3\n"))
    with pytest.raises(SessionFileError, match="cannot be unpacked"):
        read_sessions(written(tmp_path, b"1 2\n", "plain.gz"))
    with pytest.raises(SessionFileError, match="cannot be unpacked"):
        read_sessions(written(tmp_path, gzip.compress(b"1 2\n" * 99)[:-12], "cut.gz"))
    with pytest.raises(SessionFileError, match="cannot be read"):
        read_sessions(tmp_path / "missing.txt")
    with pytest.raises(SessionFileError, match="cannot be read"):
        read_sessions(tmp_path)
