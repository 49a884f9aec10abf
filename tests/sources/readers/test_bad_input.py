"""What is wrong with a shop's data is told by source, file, row and column, whatever it is read from."""

import gzip
import json
from datetime import UTC, datetime

import httpx
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.sources.declaration import SourceError
from pipelines.sources.mapping import map_chunk
from pipelines.sources.readers import open_reader
from pipelines.sources.readers.event_streams import StreamReader
from pipelines.sources.readers.files import FilesReader
from tests.sources.readers.log_under_test import PATH
from tests.sources.readers.reading import source

GOOD = {"id": "1", "user": "u", "item": "i", "n": "1", "price": "2.5", "at": "2024-01-01 12:00:00"}
FILES = ("csv", "jsonl", "parquet", "s3")
KINDS = (*FILES, "sqlite", "postgres", "mariadb", "stream")


def some_rows(column, values):
    """Good rows but for one column; ids count unless they are that column."""
    return [GOOD | {"id": str(number)} | {column: value} for number, value in enumerate(values, start=1)]


class Shop:
    """Rows of text at a source of one kind."""

    def __init__(self, kind, request):
        self.kind, self._fixture = kind, request.getfixturevalue
        self.folder = self._fixture("tmp_path")

    @property
    def origin(self):
        return {"stream": PATH, "s3": "orders.csv"}.get(self.kind) or (
            f"orders.{self.kind}" if self.kind in FILES else "orders"
        )

    def write(self, rows):
        """Put them there; returns the declaration."""
        if self.kind in FILES:
            return self.put(getattr(self, f"_{self.kind}")(rows))
        if self.kind == "stream":
            log = self._fixture("log")
            log.lines = [json.dumps({"seq": seq} | row).encode() for seq, row in enumerate(rows, start=1)]
            return source(log.url, kind="stream", **{"from": PATH})
        database = self._fixture(self.kind)
        quote = "`" if self.kind == "mariadb" else '"'
        columns = ", ".join(f"{quote}{name}{quote} varchar(600)" for name in GOOD)
        database.run((f"create table orders ({columns})",))
        if rows:
            database.add("orders", [tuple(row.values()) for row in rows])
        return source(database.url, kind="database", **{"from": "orders"})

    def put(self, content):
        """One file with this content; returns the declaration."""
        if self.kind == "s3":
            self._fixture("bucket").put_object(Bucket="shop", Key=self.origin, Body=content)
            return source("s3://shop")
        (self.folder / self.origin).write_bytes(content)
        return source(self.folder, **{"from": self.origin})

    def _csv(self, rows):
        return "".join(",".join(row) + "\n" for row in [GOOD, *(row.values() for row in rows)]).encode()

    _s3 = _csv

    def _jsonl(self, rows):
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    def _parquet(self, rows):
        written = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in GOOD])), written)
        return written.getvalue().to_pybytes()

    def land(self, declared, reader=None):
        """Mapped rows, or the error."""
        reader, mapping = reader or open_reader(declared, self.folder), declared.data_sets["events"]
        return [
            row
            for piece in reader.pieces(mapping)
            for chunk in reader.read(mapping, piece, None, 2)
            for row in map_chunk(chunk, declared, "events").to_pylist()
        ]


@pytest.fixture
def shop(request):
    return Shop(request.param, request)


def each(*kinds):
    return pytest.mark.parametrize("shop", kinds, indirect=True)


@each(*KINDS)
def test_bad_input__a_value_of_the_wrong_type_halfway(shop):
    rows = shop.land(shop.write(some_rows("price", ["1", "2.5", "abc", "4"])))

    assert [row["value"] for row in rows] == [1, 2.5, None, 4]
    assert [row["fault"] for row in rows if row["event_id"] != "3"] == [None] * 3
    assert rows[2]["fault"].startswith("unreadable: value: expected ")
    assert rows[2]["fault"].endswith("found 'abc'")
    assert rows[2]["origin"] == f"{shop.origin}, row 3"
    assert json.loads(rows[2]["original"])["price"] == "abc"


@each(*KINDS)
def test_bad_input__not_a_number_and_infinity(shop):
    rows = shop.land(shop.write(some_rows("price", ["NaN", "inf", "-Infinity", "1e999", "4"])))

    assert [row["value"] for row in rows] == [None, None, None, None, 4]
    for row in rows[1:4]:
        assert row["fault"].startswith("unreadable: value: expected ")
    assert [row["origin"] for row in rows[1:4]] == [f"{shop.origin}, row {row}" for row in (2, 3, 4)]


@each("parquet", "postgres")
def test_bad_input__not_a_number_and_infinity_where_columns_are_numbers(shop):
    if shop.kind == "parquet":
        table = pa.Table.from_pylist([GOOD | {"price": float(price)} for price in ("nan", "inf", "4")])
        written = pa.BufferOutputStream()
        pq.write_table(table, written)
        declared = shop.put(written.getvalue().to_pybytes())
    else:
        values = "(values (1, 'NaN'::float8), (2, 'Infinity'), (3, 4)) as v (id, price)"
        others = ", ".join(
            f"'{text}' as \"{name}\"" for name, text in GOOD.items() if name not in ("id", "price")
        )
        database = shop._fixture("postgres")
        database.run((f"create view orders as select id, price, {others} from {values}",))
        declared = source(database.url, kind="database", **{"from": "orders"})

    rows = shop.land(declared)

    assert [row["value"] for row in rows] == [None, None, 4]
    assert rows[1]["fault"].startswith("unreadable: value: expected ")
    assert rows[1]["origin"] == f"{shop.origin}, row 2"


@each(*KINDS)
def test_bad_input__ids_keep_leading_zeros_and_mixed_types(shop):
    ids = ["007", "07a", "7", "7.0"]
    rows = shop.land(shop.write([GOOD | {"id": name} for name in ids]))

    assert [(row["event_id"], row["fault"]) for row in rows] == [(name, None) for name in ids]


@each(*KINDS)
def test_bad_input__years_that_no_shop_has(shop):
    moments = ["0001-01-01 00:00:00", "2024-02-30 00:00:00", "9999-12-31 23:59:59", "2024-01-01 12:00:00"]
    rows = shop.land(shop.write(some_rows("at", moments)))

    assert [row["occurred_at"] for row in rows] == [None] * 3 + [datetime(2024, 1, 1, 11, tzinfo=UTC)]
    for row in rows[:3]:
        assert row["fault"].startswith("unreadable: occurred_at: expected ")


@each(*set(KINDS) - {"jsonl"})
def test_bad_input__columns_without_rows_are_no_rows(shop):
    assert shop.land(shop.write([])) == []


@each(*FILES)
def test_bad_input__an_empty_file(shop):
    with pytest.raises(SourceError, match=rf"source my_shop: {shop.origin}"):
        shop.land(shop.put(b""))


@each("csv", "s3", "jsonl")
def test_bad_input__a_byte_order_mark_is_no_part_of_the_data(shop):
    content = getattr(shop, f"_{shop.kind}")(some_rows("price", ["1", "2"]))

    rows = shop.land(shop.put(b"\xef\xbb\xbf" + content))

    assert [(row["event_id"], row["fault"]) for row in rows] == [("1", None), ("2", None)]


@each("csv", "s3")
def test_bad_input__another_delimiter_than_declared(shop):
    content = shop._csv(some_rows("price", ["1", "2"])).replace(b",", b";")

    with pytest.raises(
        SourceError, match=rf"source my_shop: {shop.origin}, header: .* a semicolon seems right"
    ):
        shop.land(shop.put(content))


@each("csv", "s3", "jsonl")
def test_bad_input__a_line_beyond_the_limit(shop):
    content = getattr(shop, f"_{shop.kind}")(some_rows("item", ["i", "x" * 3000]))
    declared = shop.put(content)

    with pytest.raises(
        SourceError, match=rf"source my_shop: {shop.origin}, row 2: expected a line of at most 1000"
    ):
        shop.land(declared, FilesReader(declared, shop.folder, line_limit=1000))


@each("csv", "s3", "jsonl", "parquet")
def test_bad_input__a_file_that_was_cut_off(shop):
    content = getattr(shop, f"_{shop.kind}")(some_rows("price", ["1", "2", "3"]))
    declared = shop.put(content[: -len(",2024-01-01 12:00:00\n")])

    if shop.kind == "parquet":
        with pytest.raises(SourceError, match=r"source my_shop: orders\.parquet cannot be read"):
            shop.land(declared)
        return
    rows = shop.land(declared)
    assert [row["fault"] is None for row in rows] == [True, True, False]
    assert rows[2]["fault"].startswith("unreadable: whole row: expected ")
    assert rows[2]["origin"] == f"{shop.origin}, row 3"


@each("csv", "jsonl")
def test_bad_input__a_compressed_file_that_was_cut_off(shop):
    content = gzip.compress(getattr(shop, f"_{shop.kind}")(some_rows("price", [str(n) for n in range(99)])))
    (shop.folder / f"{shop.origin}.gz").write_bytes(content[:-9])

    with pytest.raises(SourceError, match=rf"source my_shop: {shop.origin}\.gz cannot be read"):
        shop.land(source(shop.folder))


@each("postgres", "mariadb", "stream", "s3")
def test_bad_input__a_connection_that_is_lost_in_mid_load(shop, request):
    # More than what is fetched ahead.
    declared = shop.write(some_rows("item", ["x" * 600] * 12_000))
    reader, mapping = open_reader(declared, shop.folder), declared.data_sets["events"]
    if shop.kind == "stream":
        reader = StreamReader(declared, lambda seconds: None)
    (piece,) = reader.pieces(mapping)
    reading = reader.read(mapping, piece, None, 100)
    next(reading)
    lose(shop.kind, request)

    with pytest.raises(SourceError, match=rf"source my_shop: {shop.origin}.* (row [0-9]+ |cannot be read)"):
        list(reading)


def lose(kind, request):
    if kind == "stream":
        request.getfixturevalue("log").answers = [(0, b"")] * 9
    elif kind == "s3":
        request.getfixturevalue("bucket").delete_object(Bucket="shop", Key="orders.csv")
    elif kind == "postgres":
        others = "select pg_terminate_backend(pid) from pg_stat_activity"
        request.getfixturevalue(kind).run(
            (f"{others} where pid <> pg_backend_pid() and datname is not null",)
        )
    else:
        server = request.getfixturevalue("mariadb_server")
        with server.connect(None) as connection, connection.cursor() as cursor:
            cursor.execute("select id from information_schema.processlist where id <> connection_id()")
            for (number,) in cursor.fetchall():
                cursor.execute(f"kill {number}")


@each("postgres", "mariadb", "stream", "s3")
def test_bad_input__credentials_that_fail(shop, request, monkeypatch):
    declared = shop.write([GOOD])
    monkeypatch.setenv("SECRET", "s3cret-of-the-shop")
    location = refuse(shop.kind, request, monkeypatch)
    declared = declared.model_copy(update={"location": location or declared.location})

    try:
        with pytest.raises(SourceError, match=r"source my_shop: .*(environment|token)") as caught:
            shop.land(declared)
    finally:
        if shop.kind == "s3":
            httpx.post(f"{request.getfixturevalue('s3_server')}/moto-api/reset-auth", content=b"1000000")
    assert "s3cret" not in str(caught.value)


def refuse(kind, request, monkeypatch):
    """Make the server refuse; returns the location with a password that is wrong."""
    if kind == "stream":
        log = request.getfixturevalue("log")
        log.answers = [(401, b"no")]
        return log.url.replace("://", "://:${SECRET}@")
    if kind == "s3":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret-of-the-shop")
        httpx.post(f"{request.getfixturevalue('s3_server')}/moto-api/reset-auth", content=b"0")
        return None
    if kind == "mariadb":
        return request.getfixturevalue("mariadb_server").url("shop", "${SECRET}")
    return lock_postgres(request.getfixturevalue("postgres"), request.getfixturevalue("postgres_server"))


def lock_postgres(postgres, server):
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("drop role if exists locked")
        connection.execute("create role locked login password 'right'")
        rules = f"{server.data}/pg_hba.conf"
        with open(rules) as file:
            before = file.read()
        with open(rules, "w") as file:
            file.write(f"host all locked 127.0.0.1/32 scram-sha-256\n{before}")
        connection.execute("select pg_reload_conf()")
    return postgres.url.replace("shoploop@", "locked:${SECRET}@")
