"""Event logs over HTTP: the endpoint's own, and a server that misbehaves in every way that one can."""

import json

import pytest

from pipelines.sources.declaration import SourceError
from pipelines.sources.readers import event_streams, open_reader
from pipelines.sources.readers.event_streams import StreamReader
from tests.serving.plane_under_test import TOKEN, purchase, starter, stop_all
from tests.sources.readers.log_under_test import PATH
from tests.sources.readers.reading import chunks, rows_of, source


def read(url, rows=1000, after=None, waited=None):
    declared = source(url, kind="stream", **{"from": PATH})
    reader = StreamReader(declared, ([] if waited is None else waited).append)
    return chunks(declared, ".", rows, after, reader)


def test_stream__reads_the_endpoints_own_event_log(tmp_path, monkeypatch):
    started = []
    plane = starter(tmp_path, started)()
    try:
        plane.wait()
        plane.post(*(purchase(f"e-{number}", user_id="007", value=2.5) for number in range(1, 6)))
        monkeypatch.setenv("LOG_TOKEN", TOKEN)
        declared = source(f"http://:${{LOG_TOKEN}}@127.0.0.1:{plane.port}", kind="stream", **{"from": PATH})
        whole = chunks(declared, ".", rows=2)
        plane.post(purchase("e-6"))
        later = chunks(declared, ".", after=whole[-1].position)
    finally:
        stop_all(started)

    assert [(row["seq"], row["event_id"], row["user_id"], row["value"]) for row in rows_of(whole)] == [
        (str(number), f"e-{number}", "007", "2.5") for number in range(1, 6)
    ]
    assert [row["event_id"] for row in rows_of(later)] == ["e-6"]
    assert [chunk.first_row for chunk in [*whole, *later]] == [1, 3, 5, 6]


@pytest.mark.parametrize("rows", [1, 3, 10, 100])
def test_stream__goes_on_after_any_chunk(log, rows):
    log.fill(10)

    whole = read(log.url, rows)

    for chunk in whole:
        rest = rows_of(read(log.url, rows, chunk.position))
        assert rest == rows_of(whole)[chunk.first_row - 1 + chunk.table.num_rows :]
    assert [row["seq"] for row in rows_of(whole)] == [str(number) for number in range(1, 11)]


def test_stream__takes_no_more_rows_than_asked_from_a_server_without_limits(log):
    log.fill(5)
    log.answers = [(200, b"\n".join(log.lines))]

    found = read(log.url, rows=2)

    assert [chunk.table.num_rows for chunk in found] == [2, 2, 1]
    assert [row["seq"] for row in rows_of(found)] == ["1", "2", "3", "4", "5"]


def test_stream__keeps_a_broken_line_with_its_fault(log):
    log.lines = [b'{"seq": 1, "id": "a"}', b'{"seq": 2, "id": ', b'{"seq": 3, "id": "M\xfc"}']

    assert rows_of(read(log.url, rows=2)) == [
        {"seq": "1", "id": "a"},
        {"fault": 'unreadable: whole row: expected a JSON object, found \'{"seq": 2, "id":\''},
        {
            "seq": "3",
            "id": "M\ufffd",
            "fault": "unreadable: id: expected utf-8 text (set `encoding`), found 'M\ufffd'",
        },
    ]


def test_stream__has_every_column_that_the_mapping_names(log):
    log.fill(1)

    (chunk,) = read(log.url)

    assert {"id", "user", "item", "n", "price", "at"} < set(chunk.table.column_names)


def test_stream__sends_its_token_and_nothing_else_of_the_location(log):
    log.fill(1)

    read(log.url.replace("http://", "http://:s3%2Fcret@"))

    assert log.asked[0] == ("/v1/events?after=0&limit=1000", "Bearer s3/cret")


def test_stream__repeats_a_request_that_failed_for_the_moment(log):
    log.fill(3)
    log.answers = [(503, b"busy"), (0, b""), (429, b"")]
    waited = []

    assert len(rows_of(read(log.url, waited=waited))) == 3
    assert waited == [0.5, 1, 2]


def test_stream__keeps_its_position_when_the_server_goes_away(log):
    log.fill(4)
    declared = source(log.url, kind="stream", **{"from": PATH})
    reader = StreamReader(declared, lambda seconds: None)
    mapping = declared.data_sets["events"]
    (piece,) = reader.pieces(mapping)
    reading = reader.read(mapping, piece, None, 2)
    first = next(reading)
    log.answers = [(0, b"")] * 6

    with pytest.raises(
        SourceError, match=r"source my_shop: /v1/events: .* gave no answer after row 2 .* repeat"
    ):
        next(reading)
    assert [row["seq"] for row in rows_of(reader.read(mapping, piece, first.position, 2))] == ["3", "4"]


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "set the token"),
        (403, "set the token"),
        (404, "correct `location`"),
        (302, "correct `location`"),
    ],
)
def test_stream__tells_a_refusal_at_once_and_without_the_token(log, status, remedy):
    log.answers = [(status, b'{"message": "no"}')]

    with pytest.raises(SourceError, match=rf"source my_shop: /v1/events: .*{status}.*{remedy}") as caught:
        read(log.url.replace("http://", "http://:s3cret@"))
    assert "s3cret" not in str(caught.value)
    assert len(log.asked) == 1


@pytest.mark.parametrize("line", [b'{"event_id": "a"}', b"<html>", b'{"seq": 0}', b'{"seq": "x"}'])
def test_stream__needs_numbers_to_go_on_with(log, line):
    log.answers = [(200, line)]

    with pytest.raises(SourceError, match="expected lines with a `seq` above 0"):
        read(log.url)


def test_stream__does_not_read_an_endless_answer(log, monkeypatch):
    monkeypatch.setattr(event_streams, "MOST_BYTES", 1 << 20)
    log.answers = [(200, json.dumps({"seq": 1, "text": "x" * (2 << 20)}).encode())]

    with pytest.raises(SourceError, match="expected answers of at most 1 MiB"):
        read(log.url)


def test_location__must_be_http():
    with pytest.raises(SourceError, match=r"source my_shop: location: expected a URL .* found 'ftp://x'"):
        open_reader(source("ftp://x", kind="stream"), ".")
