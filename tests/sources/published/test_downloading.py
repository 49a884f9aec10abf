"""Downloads: gone on with after an interruption, checked, not made twice, and with words when they fail."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import FileServer

from pipelines.sources.errors import SourceError
from pipelines.sources.published.downloading import ATTEMPTS, download
from pipelines.tables import read_json

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def server() -> Iterator[FileServer]:
    running = FileServer(CONTENT)
    yield running
    running.stop()


def get(server: FileServer, folder: Path, said: list[str] | None = None) -> Path:
    target = folder / "deep" / "data.zip"
    download(f"{server.url}/data.zip", target, (said if said is not None else []).append)
    return target


def test_download__notes_size_and_checksum_and_says_how_far_it_is(server: FileServer, tmp_path: Path) -> None:
    said: list[str] = []
    target = get(server, tmp_path, said)

    assert target.read_bytes() == CONTENT
    noted = read_json(target.parent / "downloads.json")["data.zip"]
    assert noted["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (noted["bytes"], noted["url"]) == (102_400, f"{server.url}/data.zip")
    assert said == ["data.zip: 0.1 of 0.1 MB downloaded"]
    assert {path.name for path in target.parent.iterdir()} == {"data.zip", "downloads.json"}


def test_download__is_not_made_twice(server: FileServer, tmp_path: Path) -> None:
    get(server, tmp_path)
    get(server, tmp_path)
    assert server.asked == [None]


def test_download__leaves_alone_what_was_put_there_by_hand(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "data.zip").write_text("by hand")
    assert get(server, tmp_path).read_text() == "by hand"
    assert server.asked == []


def test_download__goes_on_by_itself_after_an_interruption(server: FileServer, tmp_path: Path) -> None:
    server.stops_after = [1000, 500]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", "bytes=1500-"]


def test_download__goes_on_in_the_next_call(server: FileServer, tmp_path: Path) -> None:
    server.stops_after = [100] * ATTEMPTS
    with pytest.raises(SourceError, match=r"interrupted after 300 bytes .* run the same command again"):
        get(server, tmp_path)
    assert not (tmp_path / "deep" / "data.zip").exists()

    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300-"


def test_download__of_a_part_that_is_whole_already(server: FileServer, tmp_path: Path) -> None:
    server.stops_after = [100] * ATTEMPTS
    with pytest.raises(SourceError):
        get(server, tmp_path)
    (tmp_path / "deep" / "data.zip.part").write_bytes(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_download__starts_over_when_the_file_changed_in_between(server: FileServer, tmp_path: Path) -> None:
    server.stops_after = [100] * ATTEMPTS
    with pytest.raises(SourceError):
        get(server, tmp_path)
    server.content, server.tag = CONTENT[::-1], '"second"'
    assert get(server, tmp_path).read_bytes() == CONTENT[::-1]


def test_download__starts_over_where_nothing_tells_contents_apart(server: FileServer, tmp_path: Path) -> None:
    server.tag, server.stops_after = "", [100]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_download__says_when_the_publishers_changed_a_file(server: FileServer, tmp_path: Path) -> None:
    target = get(server, tmp_path)
    target.unlink()
    server.content = b"other"
    with pytest.raises(SourceError, match="not what was downloaded before") as caught:
        get(server, tmp_path)
    assert hashlib.sha256(CONTENT).hexdigest() in str(caught.value)
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
    assert not target.exists()
    assert (target.parent / "data.zip.changed").read_bytes() == b"other"


def test_download__of_a_file_that_is_gone(server: FileServer, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(SourceError, match=r"answers 404 Not Found: .*moved") as caught:
        get(server, tmp_path)
    assert f"put it to {tmp_path / 'deep' / 'data.zip'}" in str(caught.value)
    assert not list((tmp_path / "deep").iterdir())


def test_download__without_a_network(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/data.zip"
        with pytest.raises(SourceError, match="cannot be reached") as caught:
            download(url, tmp_path / "data.zip", print)
    assert f"download it by hand from {url} and put it to {tmp_path / 'data.zip'}" in str(caught.value)


def test_download__to_where_nothing_can_be_written(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("a file in the way")
    with pytest.raises(SourceError, match=r"cannot be written .* run the same command again"):
        get(server, tmp_path)
