"""A folder in an S3 bucket, on moto's server."""

import httpx
import pytest

from pipelines.sources.declaration import SourceError
from pipelines.sources.readers import open_reader
from tests.sources.readers.reading import chunks, rows_of, source


def test_s3__reads_the_files_below_a_prefix(bucket, tmp_path):
    for name, content in {"2.csv": "id\n3\n", "1.csv": "id\n1\n2\n", "note.txt": "x"}.items():
        bucket.put_object(Bucket="shop", Key=f"exports/orders-{name}", Body=content.encode())

    found = chunks(source("s3://shop/exports", **{"from": "orders-*.csv"}), tmp_path, rows=1)

    assert [(chunk.origin, chunk.first_row, *rows_of([chunk])) for chunk in found] == [
        ("orders-1.csv", 1, {"id": "1"}),
        ("orders-1.csv", 2, {"id": "2"}),
        ("orders-2.csv", 1, {"id": "3"}),
    ]


def test_s3__goes_on_after_a_position(bucket, tmp_path):
    bucket.put_object(Bucket="shop", Key="exports/1.csv", Body=b"id\n1\n2\n3\n")
    declared = source("s3://shop/exports/")
    first = chunks(declared, tmp_path, rows=2)[0]

    assert rows_of(chunks(declared, tmp_path, after=first.position)) == [{"id": "3"}]


def test_s3__fingerprint_changes_with_the_content_alone(bucket, tmp_path):
    declared = source("s3://shop/exports")
    reader, mapping = open_reader(declared, tmp_path), declared.data_sets["events"]
    fingerprints = []
    for content in (b"id\n1\n", b"id\n1\n", b"id\n2\n"):
        bucket.put_object(Bucket="shop", Key="exports/1.csv", Body=content)
        fingerprints += [piece.fingerprint for piece in reader.pieces(mapping)]

    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_s3__names_source_and_location_of_a_bucket_that_is_not_there(bucket, tmp_path):
    with pytest.raises(SourceError, match=r"source my_shop: s3://nowhere/exports cannot be listed"):
        chunks(source("s3://nowhere/exports"), tmp_path)


def test_s3__names_the_credentials_when_they_fail(bucket, s3_server, tmp_path):
    bucket.put_object(Bucket="shop", Key="exports/1.csv", Body=b"id\n1\n")
    httpx.post(f"{s3_server}/moto-api/reset-auth", content=b"0")
    try:
        with pytest.raises(SourceError, match=r"s3://shop/exports cannot be listed .*credentials") as caught:
            chunks(source("s3://shop/exports"), tmp_path)
    finally:
        httpx.post(f"{s3_server}/moto-api/reset-auth", content=b"1000000")

    assert "testing" not in str(caught.value)
