"""CSV as shops export it, read to plain rows."""

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.declaration import SourceError
from pipelines.sources.readers import blocks, open_reader
from pipelines.sources.readers.files import FilesReader
from tests.sources.readers.reading import chunks, read_text, rows_of, source


def test_csv__keeps_every_cell_as_text(tmp_path):
    found = read_text(tmp_path, "id,price,note\n007,1.10,\n8,NaN,inf\n")

    assert rows_of(found) == [{"id": "007", "price": "1.10"}, {"id": "8", "price": "NaN", "note": "inf"}]
    assert found[0].table.schema.types == ["string"] * 3


def test_csv__numbers_rows_through_line_ends_in_quotes_and_blank_lines(tmp_path):
    found = read_text(tmp_path, 'id,note\r\n1,"a\r\nb, ""c"""\r\n\r\n2,d\r\n3,e\r\n', rows=1)

    assert [(chunk.first_row, *rows_of([chunk])) for chunk in found] == [
        (1, {"id": "1", "note": 'a\r\nb, "c"'}),
        (2, {"id": "2", "note": "d"}),
        (3, {"id": "3", "note": "e"}),
    ]


def test_csv__keeps_a_ragged_row_in_its_place_with_its_fault(tmp_path):
    found = read_text(tmp_path, "id,note\n1,a\n2,b,c\n3\n4,d\n")

    assert found[0].first_row == 1
    assert rows_of(found) == [
        {"id": "1", "note": "a"},
        {"id": "2", "note": "b", "fault": "unreadable: whole row: expected 2 cells, found '2,b,c'"},
        {"id": "3", "fault": "unreadable: whole row: expected 2 cells, found '3'"},
        {"id": "4", "note": "d"},
    ]


def test_csv__loses_one_row_only_to_a_quote_that_never_closes(tmp_path):
    found = read_text(tmp_path, 'id,note\n1,a\n2,"b\n3,c\n4,d\n')

    assert [row["id"] for row in rows_of(found)] == ["1", "2", "3", "4"]
    assert [row.get("fault") for row in rows_of(found)] == [
        None,
        "unreadable: whole row: expected a quote that closes, found '2,\"b'",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", "id,name\n1,Müller €\n".encode()),
        ("utf-8", "\ufeffid,name\n1,Müller €\n".encode()),
        ("cp1252", "id,name\n1,Müller €\n".encode("cp1252")),
        ("utf-16", "id,name\n1,Müller €\n".encode("utf-16")),
        ("utf-16-be", "id,name\n1,Müller €\n".encode("utf-16-be")),
        ("mixed", "id,name\n1,Müller €\n".encode()),
        ("mixed", "id,name\n1,Müller €\n".encode("cp1252")),
        ("utf-8", "id,name\r1,Müller €".encode()),
    ],
)
def test_csv__reads_encodings(tmp_path, encoding, content):
    assert rows_of(read_text(tmp_path, content, encoding=encoding)) == [{"id": "1", "name": "Müller €"}]


def test_csv__reads_a_file_in_two_encodings_line_by_line(tmp_path):
    content = "id,name\n1,Müller\n".encode("cp1252") + "2,Öz\n".encode()

    assert [row["name"] for row in rows_of(read_text(tmp_path, content, encoding="mixed"))] == [
        "Müller",
        "Öz",
    ]


def test_csv__tells_the_cell_that_is_not_in_the_declared_encoding(tmp_path):
    found = rows_of(read_text(tmp_path, b"id,name\n1,a\n2,M\xfcller\n3,\xc3\xb6\n"))

    assert found[0] == {"id": "1", "name": "a"}
    assert found[1] == {
        "id": "2",
        "name": "M\ufffdller",
        "fault": "unreadable: name: expected utf-8 text (set `encoding`), found 'M\ufffdller'",
    }
    assert found[2] == {"id": "3", "name": "ö"}


def test_csv__tells_the_cell_that_is_no_utf_16(tmp_path):
    content = "id,name\n1,a\n2,M".encode("utf-16") + b"\x00\xd8" + "x\n".encode("utf-16-le")

    found = rows_of(read_text(tmp_path, content, encoding="utf-16"))

    assert found[0] == {"id": "1", "name": "a"}
    assert found[1]["fault"].startswith("unreadable: name: expected utf-16 text")


def test_csv__gives_each_column_a_name_of_its_own(tmp_path):
    found = read_text(tmp_path, "price,price,,fault,price_2\n1,2,3,4,5\n")

    assert rows_of(found) == [{"price": "1", "price_3": "2", "column_3": "3", "fault_2": "4", "price_2": "5"}]


def test_csv__takes_names_from_the_declaration_where_there_is_no_header(tmp_path):
    found = read_text(tmp_path, "1|a\n2|b\n", column_names=["id", "note"], delimiter="|")

    assert rows_of(found) == [{"id": "1", "note": "a"}, {"id": "2", "note": "b"}]


def test_csv__header_only_gives_its_columns_and_no_row(tmp_path):
    (chunk,) = read_text(tmp_path, "id,note\n")

    assert (chunk.table.num_rows, chunk.table.column_names) == (0, ["id", "note"])


@pytest.mark.parametrize("content", ["", "\ufeff", "\n\n\r\n"])
def test_csv__refuses_an_empty_file(tmp_path, content):
    with pytest.raises(SourceError, match=r"source my_shop: orders\.csv: .*found an empty file"):
        read_text(tmp_path, content)


@pytest.mark.parametrize(("written", "word"), [(";", "a semicolon"), ("\t", "a tab"), ("|", "a bar")])
def test_csv__says_which_delimiter_seems_right(tmp_path, written, word):
    with pytest.raises(
        SourceError, match=rf"orders\.csv, header: expected columns separated by a comma.*{word}"
    ):
        read_text(tmp_path, f"id{written}total\n1{written}2,50\n")


def test_csv__reads_a_single_column(tmp_path):
    assert rows_of(read_text(tmp_path, "id\n1\n2\n")) == [{"id": "1"}, {"id": "2"}]


def test_csv__names_utf_16_where_another_encoding_is_declared(tmp_path):
    with pytest.raises(SourceError, match="set `encoding: utf-16`"):
        read_text(tmp_path, "id,note\n1,a\n".encode("utf-16"))


def test_csv__refuses_a_line_beyond_the_limit_by_file_and_row(tmp_path):
    (tmp_path / "orders.csv").write_text("id,note\n1,a\n2," + "x" * (6 << 20) + "\n")
    declared = source(tmp_path)
    reader = FilesReader(declared, tmp_path, line_limit=5 << 20)

    with pytest.raises(SourceError, match=r"orders\.csv, row 2: expected a line of at most 5 MiB"):
        chunks(declared, tmp_path, reader=reader)


def test_csv__does_not_read_a_line_of_one_gigabyte(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("id,note\n1,")
    with path.open("r+b") as file:
        file.truncate(1 << 30)  # a hole in the file: it costs no room
    read = []

    class Counted(FilesReader):
        def read(self, *arguments):
            open_text = self._folder.open_text
            self._folder.open_text = lambda *place: _counted(open_text(*place), read)
            return super().read(*arguments)

    declared = source(tmp_path)
    with pytest.raises(SourceError, match=r"orders\.csv, row 1: expected a line of at most 64 MiB"):
        chunks(declared, tmp_path, reader=Counted(declared, tmp_path))
    assert sum(read) < 100 << 20


class _counted:  # noqa: N801 - stands in for a context manager made by a function
    def __init__(self, opened, read):
        self._opened, self._read = opened, read

    def __enter__(self):
        self._stream = self._opened.__enter__()
        return self

    def __exit__(self, *error):
        return self._opened.__exit__(*error)

    def read(self, size):
        data = self._stream.read(size)
        self._read.append(len(data))
        return data


def test_csv__reads_compressed_files(tmp_path):
    packed = gzip.compress(b"id,note\n1,a\n") + gzip.compress(b"2,b\n")

    found = read_text(tmp_path, packed, name="orders.csv.gz", rows=1)

    assert rows_of(found) == [{"id": "1", "note": "a"}, {"id": "2", "note": "b"}]


def test_csv__refuses_a_truncated_compressed_file(tmp_path):
    packed = gzip.compress(b"id,note\n" + b"1,a\n" * 1000)

    with pytest.raises(SourceError, match=r"source my_shop: orders\.csv\.gz cannot be read"):
        read_text(tmp_path, packed[:-20], name="orders.csv.gz")


CELL = st.text(st.sampled_from('ab",;\n\r ü5'), max_size=6)


@settings(max_examples=30, deadline=None)
@given(
    table=st.lists(st.tuples(CELL, CELL, CELL), max_size=12),
    rows=st.integers(1, 5),
    block=st.integers(3, 40),
    encoding=st.sampled_from(["utf-8", "latin-1", "mixed", "utf-16"]),
)
def test_csv__gives_what_the_standard_library_reads_and_goes_on_after_any_chunk(
    tmp_path_factory, table, rows, block, encoding
):
    """Every field is quoted: an unquoted empty line is no row, and a bare quote is read as each program likes."""
    folder = tmp_path_factory.mktemp("csv")
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("a", "b", "c"), *table])
    (folder / "x.csv").write_bytes(written.getvalue().encode("utf-8" if encoding == "mixed" else encoding))
    declared = source(folder, encoding=encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        whole = chunks(declared, folder, rows)
        rests = [chunks(declared, folder, rows, after=chunk.position) for chunk in whole]

    expected = [tuple(cell or None for cell in row) for row in table]
    assert [tuple(row.values()) for chunk in whole for row in chunk.table.to_pylist()] == expected
    for chunk, rest in zip(whole, rests, strict=True):
        done = chunk.first_row - 1 + chunk.table.num_rows
        assert [tuple(row.values()) for part in rest for row in part.table.to_pylist()] == expected[done:]
        assert [part.first_row for part in rest[:1]] == [done + 1][: len(rest)]


@settings(max_examples=30, deadline=None)
@given(
    lines=st.lists(st.text(st.sampled_from('ab",5 '), max_size=12), max_size=10),
    block=st.integers(3, 30),
    rows=st.integers(1, 4),
)
def test_csv__loses_no_line_of_a_broken_file_and_cuts_it_anywhere_alike(tmp_path_factory, lines, block, rows):
    folder = tmp_path_factory.mktemp("csv")
    (folder / "x.csv").write_text("a,b\n" + "".join(f"{line}\n" for line in lines))
    declared = source(folder)
    whole = rows_of(chunks(declared, folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        parts = chunks(declared, folder, rows)
        rests = [rows_of(chunks(declared, folder, rows, after=part.position)) for part in parts]

    assert rows_of(parts) == whole
    if not any('"' in line for line in lines):
        assert len(whole) == sum(1 for line in lines if line)
    for part, rest in zip(parts, rests, strict=True):
        assert rest == whole[part.first_row - 1 + part.table.num_rows :]


def test_pieces__change_their_fingerprint_with_their_content(tmp_path):
    declared = source(tmp_path, **{"from": "**/*.csv"})
    for name in ("b/2.csv", "a.csv", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("id\n1\n")
    reader, mapping = open_reader(declared, tmp_path), declared.data_sets["events"]
    before = reader.pieces(mapping)
    (tmp_path / "a.csv").write_text("id\n1\n2\n")

    after = reader.pieces(mapping)

    assert [piece.name for piece in before] == ["a.csv", "b/2.csv"]
    assert after[1] == before[1]
    assert after[0].fingerprint != before[0].fingerprint


def test_pieces__name_what_is_there_when_nothing_matches(tmp_path):
    (tmp_path / "orders.txt").touch()

    with pytest.raises(
        SourceError, match=r"source my_shop: expected files like '\*\.csv' .* found orders\.txt"
    ):
        chunks(source(tmp_path, **{"from": "*.csv"}), tmp_path)


def test_pieces__need_a_folder(tmp_path):
    with pytest.raises(SourceError, match=r"source my_shop: .*exports cannot be listed"):
        chunks(source("exports"), tmp_path)
