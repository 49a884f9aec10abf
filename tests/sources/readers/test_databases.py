"""Tables of real servers."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from pipelines.sources.declaration import SourceError
from pipelines.sources.readers import open_reader, watermarks
from tests.sources.readers.reading import chunks, rows_of, source

NUMBERS = [(number, f"2024-01-{number:02d}") for number in range(1, 11)]


def orders(database, rows=NUMBERS):
    database.run(("create table orders (id integer, updated varchar(20))",))
    database.add("orders", rows)


def read(database, rows=1000, after=None, **options):
    options.setdefault("from", "orders")
    return chunks(source(database.url, kind="database", **options), ".", rows, after)


def ids(found):
    return [int(row["id"]) for row in rows_of(found)]


@pytest.mark.parametrize("subject", ["orders", "select id, updated from orders where updated > '2024'; "])
@pytest.mark.parametrize("watermark", [None, "updated"])
def test_database__goes_on_after_any_chunk(database, subject, watermark):
    orders(database)
    options = {"from": subject} | ({"watermark": watermark} if watermark else {})

    whole = read(database, rows=3, **options)

    assert ids(whole) == [*range(1, 11)]
    for chunk in whole:
        rest = read(database, rows=4, after=chunk.position, **options)
        done = chunk.first_row - 1 + chunk.table.num_rows
        assert ids(rest) == [*range(done + 1, 11)]
        assert [part.first_row for part in rest[:1]] == ([done + 1] if done < 10 else [])


def test_watermark__finds_what_came_later_with_an_equal_one(database):
    orders(database, [(1, "2024-01-01"), (2, "2024-01-02")])
    before = read(database, watermark="updated")
    database.add("orders", [(3, "2024-01-02"), (4, "2024-01-02"), (5, "2024-01-03")])

    after = read(database, after=before[-1].position, watermark="updated", rows=2)

    assert sorted(ids(after)) == [3, 4, 5]
    assert [chunk.first_row for chunk in after] == [3, 4]


def test_watermark__gives_no_row_twice_where_many_share_one(sqlite):
    orders(sqlite, [(number, "2024-01-01") for number in (1, 2, 3, 4, 4)])

    whole = read(sqlite, rows=2, watermark="updated")

    assert ids(whole) == [1, 2, 3, 4, 4]
    assert ids(read(sqlite, after=whole[1].position, watermark="updated")) == [4]
    assert ids(read(sqlite, after=whole[2].position, watermark="updated")) == []


def test_watermark__gives_rows_without_one_as_faults_and_only_once(database):
    orders(database, [(1, "2024-01-01"), (2, None), (2, None)])
    before = read(database, watermark="updated")
    database.add("orders", [(2, None), (3, None)])

    after = read(database, after=before[-1].position, watermark="updated")

    fault = "unreadable: updated: expected a watermark, found 'NULL'"
    assert [(row["id"], row.get("fault")) for row in rows_of(before)] == [
        *[(rows_of(before)[0]["id"], fault)] * 2,
        (rows_of(before)[2]["id"], None),
    ]
    assert ids(after) == [2, 3]


def test_watermark__repeats_rows_when_too_many_share_one(sqlite, monkeypatch):
    monkeypatch.setattr(watermarks, "MOST", 3)
    orders(sqlite, [(number, "2024-01-01") for number in range(1, 6)])

    whole = read(sqlite, rows=2, watermark="updated")

    assert ids(read(sqlite, after=whole[0].position, watermark="updated")) == [3, 4, 5]
    assert ids(read(sqlite, after=whole[1].position, watermark="updated")) == [1, 2, 3, 4, 5]


def test_watermark__may_be_a_number_in_sqlite(sqlite):
    sqlite.run(("create table orders (id integer, updated)",))
    sqlite.add("orders", [(number, number) for number in (9, 10, 11)])

    whole = read(sqlite, rows=1, watermark="updated")

    assert ids(whole) == [9, 10, 11]
    assert ids(read(sqlite, after=whole[0].position, watermark="updated")) == [10, 11]


def test_table__without_rows_gives_its_columns(database):
    orders(database, [(1, "x")])
    database.run(("delete from orders",))

    for watermark in ({}, {"watermark": "updated"}):
        (chunk,) = read(database, **watermark)
        assert (chunk.table.num_rows, chunk.table.column_names) == (0, ["id", "updated"])


def test_piece__without_watermark_changes_its_fingerprint_with_the_content(database):
    orders(database)
    declared = source(database.url, kind="database", **{"from": "orders"})
    reader, mapping = open_reader(declared, "."), declared.data_sets["events"]
    (first,), (second,) = reader.pieces(mapping), reader.pieces(mapping)
    database.run(("update orders set updated = 'x' where id = 3",))
    (third,) = reader.pieces(mapping)

    assert first == second != third
    assert first.name == third.name == "orders"


def test_piece__of_another_select_is_another_one(sqlite):
    long = "select id, updated from orders where updated > '2024-01-01' and id "
    names = []
    for query in (f"{long} > 1", f"{long} > 2", "select 1 as id"):
        declared = source(sqlite.url, kind="database", watermark="id", **{"from": query})
        names += [piece.name for piece in open_reader(declared, ".").pieces(declared.data_sets["events"])]

    assert len(set(names)) == 3
    assert names[2] == "select 1 as id"


POSTGRES_TYPES = """select 1::bigint as big, 1.5::float8 as number, true as yes, date '0001-02-03' as day,
    timestamp '9999-12-31 23:59:59.999999' as local, timestamptz '2024-03-31 02:30:00+02' as moment,
    1.10::numeric(8, 2) as price, 1.100::numeric as exact, '\\x00ff'::bytea as bytes,
    '6f1c2e00-0000-0000-0000-000000000001'::uuid as id, '{"a": 1}'::json as json, array[1, 2] as list,
    'NaN'::float8 as nan, '-Infinity'::float8 as inf, null::text as nothing, ':x 100%' as text"""


def test_postgresql__types_are_those_of_its_columns(postgres):
    (chunk,) = read(postgres, **{"from": POSTGRES_TYPES})

    (row,) = rows_of([chunk])
    assert str(row.pop("nan")) == "nan"
    assert row == {
        "big": 1,
        "number": 1.5,
        "yes": True,
        "day": date(1, 2, 3),
        "local": datetime(9999, 12, 31, 23, 59, 59, 999999),
        "moment": datetime(2024, 3, 31, 0, 30, tzinfo=UTC),
        "price": Decimal("1.10"),
        "exact": "1.100",
        "bytes": b"\x00\xff",
        "id": "6f1c2e00-0000-0000-0000-000000000001",
        "json": '{"a": 1}',
        "list": "{1,2}",
        "inf": float("-inf"),
        "text": ":x 100%",
    }
    assert chunk.table.schema.field("price").type == pa.decimal128(8, 2)


def test_postgresql__types_stay_when_a_chunk_is_all_null(postgres):
    postgres.run(("create table orders (id integer, price numeric(8, 2), at timestamptz)",))
    postgres.add("orders", [(1, Decimal("1.5"), "2024-01-01 00:00:00+00"), (2, None, None)])

    first, second = read(postgres, rows=1)

    assert first.table.schema == second.table.schema


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("'infinity'::timestamptz", "expected a moment from 0001 to 9999, found 'infinity'"),
        ("'12024-01-01'::date", "expected a date from 0001 to 9999, found '12024-01-01'"),
        ("'0044-03-15 BC'::date", "expected a date from 0001 to 9999, found '0044-03-15 BC'"),
        ("'NaN'::numeric(8, 2)", "expected a decimal number, found 'NaN'"),
    ],
)
def test_postgresql__a_value_beyond_its_type_is_a_fault_of_its_row(postgres, value, fault):
    query = (
        f"select 1 as id, {value} as seen union all select 2, null"
        if "numeric" not in value
        else f"select 1 as id, {value} as seen union all select 2, null::numeric(8, 2)"
    )

    found = rows_of(read(postgres, **{"from": query}))

    assert found == [{"id": 1, "fault": f"unreadable: seen: {fault}"}, {"id": 2}]


def test_mysql__types_are_those_of_its_columns(mariadb):
    mariadb.run(
        ("set sql_mode = '', time_zone = '+02:00'",),
        ("create table orders (id bigint, number double, price decimal(8, 2), day date, local datetime(6),"
         " moment timestamp(6) null, bytes varbinary(9), text varchar(9), json json)",),
        ("insert into orders values (1, 1.5, 1.10, '0001-02-03', '9999-12-31 23:59:59.999999',"
         " '2024-03-31 02:30:00', x'00ff', 'Müller', '[1]')",),
        ("insert into orders (id, day) values (18446744073709551615, '0000-00-00')",),
    )  # fmt: skip

    (chunk,) = read(mariadb)

    good, bad = rows_of([chunk])
    assert good == {
        "id": 1,
        "number": 1.5,
        "price": Decimal("1.10"),
        "day": date(1, 2, 3),
        "local": datetime(9999, 12, 31, 23, 59, 59, 999999),
        "moment": datetime(2024, 3, 31, 0, 30, tzinfo=UTC),
        "bytes": b"\x00\xff",
        "text": "Müller",
        "json": "[1]",
    }
    assert bad["fault"] == "unreadable: day: expected a date from 0001 to 9999, found '0000-00-00'"


def test_sqlite__cells_are_text_whatever_their_type(sqlite):
    sqlite.run(("create table orders (id, value)",))
    sqlite.add("orders", [(1, 1.5), ("007", b"\xff\x00"), (3, "ü")])

    assert [tuple(row.values()) for row in rows_of(read(sqlite))] == [
        ("1", "1.5"),
        ("3", "ü"),
        ("007", "ff00"),
    ]


def test_sqlite__file_is_beside_the_checkout_and_never_made(tmp_path):
    declared = source("sqlite:///none.db", kind="database", **{"from": "orders"})

    with pytest.raises(SourceError, match=r"source my_shop: orders: no connection to sqlite:///none\.db"):
        chunks(declared, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_database__cannot_be_written(served):
    orders(served)
    query = "select 1 as id; delete from orders"

    with pytest.raises(SourceError, match="source my_shop"):
        read(served, **{"from": query})
    assert len(ids(read(served))) == 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"from": "purchases"}, "source my_shop: purchases: it cannot be read .*purchases"),
        ({"from": "select total from orders"}, "source my_shop: select total from orders: .*total"),
        ({"watermark": "changed"}, "source my_shop: orders: .*changed.*correct `from` or `watermark`"),
    ],
)
def test_database__names_a_table_or_column_that_is_not_there(database, options, said):
    orders(database)

    with pytest.raises(SourceError, match=said):
        read(database, **options)


def test_database__tells_a_wrong_password_without_it(mariadb, mariadb_server):
    mariadb.url = mariadb_server.url("shop", "s3cret%2Fone")

    with pytest.raises(SourceError, match=r"no connection to mysql://shoploop:\*\*\*@127\.0\.0\.1") as caught:
        read(mariadb)
    assert "s3cret" not in str(caught.value)


def test_database__tells_a_server_that_is_not_there(postgres):
    postgres.url = "postgresql://shop:s3cret@127.0.0.1:1/shop"

    with pytest.raises(
        SourceError, match=r"no connection to postgresql://shop:\*\*\*@127.*refused"
    ) as caught:
        read(postgres)
    assert "s3cret" not in str(caught.value)


def test_database__goes_on_after_a_lost_connection(served):
    served.run(("create table orders (id integer, note varchar(4000))",))
    served.add("orders", [(number, "x" * 4000) for number in range(1, 5001)])
    declared = source(served.url, kind="database", watermark="id", **{"from": "orders"})
    reader, mapping = open_reader(declared, "."), declared.data_sets["events"]
    (piece,) = reader.pieces(mapping)
    reading = reader.read(mapping, piece, None, 500)
    given = [next(reading)]
    served.crash()
    try:
        with pytest.raises(
            SourceError, match=r"orders: the connection was lost after row \d+ .* repeat"
        ) as caught:
            given.extend(reading)
    finally:
        served.start()
    assert "a/right" not in str(caught.value)

    given.extend(reader.read(mapping, piece, given[-1].position, 500))

    assert [row["id"] for row in rows_of(given)] == [*range(1, 5001)]


def test_location__must_be_a_database():
    with pytest.raises(
        SourceError, match=r"source my_shop: location: expected a URL .* found 'oracle://shop'"
    ):
        open_reader(source("oracle://shop", kind="database"), ".")


def test_database__may_be_left_in_mid_read(database):
    orders(database, [(number, "x") for number in range(5000)])
    declared = source(database.url, kind="database", watermark="id", **{"from": "orders"})
    reader, mapping = open_reader(declared, "."), declared.data_sets["events"]
    reading = reader.read(mapping, reader.pieces(mapping)[0], None, 10)

    first = next(reading)
    reading.close()

    assert ids([first]) == [*range(10)]
