"""JSONL, one object a line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.declaration import SourceError
from pipelines.sources.readers import blocks
from tests.sources.readers.reading import chunks, read_text, rows_of, source


def read(folder, content, **options):
    return read_text(folder, content, name="events.jsonl", **options)


def test_jsonl__keeps_values_as_they_are_written(tmp_path):
    line = '{"id": "007", "n": 1.10, "big": 123456789012345678901234567890, "ok": true, "none": null}'

    assert rows_of(read(tmp_path, line)) == [
        {"id": "007", "n": "1.10", "big": "123456789012345678901234567890", "ok": "true"}
    ]


def test_jsonl__keeps_nested_values_as_json(tmp_path):
    line = '{"item": {"id": 7, "price": 1.50}, "tags": ["a", null]}\n'

    assert rows_of(read(tmp_path, line)) == [{"item": '{"id": 7, "price": 1.50}', "tags": '["a", null]'}]


def test_jsonl__keeps_fields_that_appear_later(tmp_path):
    (chunk,) = read(tmp_path, '{"a": 1}\n{"b": 2, "a": 3}\n')

    assert chunk.table.select(["a", "b"]).to_pylist() == [{"a": "1", "b": None}, {"a": "3", "b": "2"}]


def test_jsonl__has_every_column_that_the_mapping_names(tmp_path):
    cancelled = {"cancelled_orders": {"column": "status", "values": ["off"]}}

    (chunk,) = read(tmp_path, '{"id": 1}\n', where="channel <> 'test'", rules=cancelled)

    assert set(chunk.table.column_names) == {"id", "user", "item", "n", "price", "at", "status", "channel"}


def test_jsonl__reads_what_programs_write_though_json_has_it_not(tmp_path):
    found = rows_of(read(tmp_path, '{"a": NaN, "b": Infinity, "c": "\\ud800", "d": [-Infinity]}\n'))

    assert found == [{"a": "NaN", "b": "Infinity", "c": "\ufffd", "d": "[-Infinity]"}]


def test_jsonl__keeps_a_broken_line_in_its_place_with_its_fault(tmp_path):
    found = read(tmp_path, '{"a": 1}\n\n{"a": \n[1]\n{"a": 2}\n', rows=1)

    assert [(chunk.first_row, *rows_of([chunk])) for chunk in found] == [
        (1, {"a": "1"}),
        (2, {"fault": "unreadable: whole row: expected a JSON object, found '{\"a\":'"}),
        (3, {"fault": "unreadable: whole row: expected a JSON object, found '[1]'"}),
        (4, {"a": "2"}),
    ]


def test_jsonl__tells_the_cell_that_is_not_in_the_declared_encoding(tmp_path):
    (row,) = rows_of(read(tmp_path, b'{"name": "M\xfcller"}\n'))

    assert row["fault"] == "unreadable: name: expected utf-8 text (set `encoding`), found 'M\ufffdller'"


def test_jsonl__leaves_the_name_fault_to_faults(tmp_path):
    assert rows_of(read(tmp_path, '\ufeff{"fault": "late"}')) == [{"fault_2": "late"}]


def test_jsonl__refuses_an_empty_file_and_an_array(tmp_path):
    with pytest.raises(SourceError, match=r"events\.jsonl: expected rows, found an empty file"):
        read(tmp_path, "")
    with pytest.raises(
        SourceError, match=r"events\.jsonl, row 1: expected one JSON object a line, found an array"
    ):
        read(tmp_path, '[{"a": 1}]')


@settings(max_examples=30, deadline=None)
@given(
    objects=st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "fäult"]), st.text(max_size=8), min_size=1), min_size=1
    ),
    rows=st.integers(1, 5),
    block=st.integers(3, 40),
)
def test_jsonl__goes_on_after_any_chunk(tmp_path_factory, objects, rows, block):
    folder = tmp_path_factory.mktemp("jsonl")
    (folder / "x.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in objects))
    declared = source(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        whole = chunks(declared, folder, rows)
        rests = [rows_of(chunks(declared, folder, rows, after=chunk.position)) for chunk in whole]

    assert rows_of(whole) == objects
    for chunk, rest in zip(whole, rests, strict=True):
        assert rest == objects[chunk.first_row - 1 + chunk.table.num_rows :]
