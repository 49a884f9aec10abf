"""Memory of a reader does not grow with its file: measured in a process of its own."""

import json
import subprocess
import sys

import pytest

MEASURE = """
import json, resource, sys
from pathlib import Path
from tests.sources.readers.reading import source
from pipelines.sources.readers import open_reader

folder = Path(sys.argv[1])
for pattern in sys.argv[2:]:
    declared = source(folder, **{"from": pattern})
    reader, mapping = open_reader(declared, folder), declared.data_sets["events"]
    (piece,) = reader.pieces(mapping)
    rows = sum(chunk.table.num_rows for chunk in reader.read(mapping, piece, None, 50_000))
    print(json.dumps([rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def write(path, line, size):
    block = line * 10_000
    with path.open("w") as file:
        file.write("id,item,note\n" if path.suffix == ".csv" else "")
        for _ in range(times := size // len(block)):
            file.write(block)
    return times * 10_000


@pytest.mark.parametrize(
    ("ending", "line", "size"),
    [
        ("csv", '4711,"item 7, ""blue""",a note of no great length that fills the row\n', 300_000_000),
        ("jsonl", '{"id": 4711, "item": "a note of no great length that fills the row"}\n', 50_000_000),
    ],
)
def test_memory__stays_flat(tmp_path, ending, line, size):
    names = [f"few.{ending}", f"many.{ending}"]
    written = [
        write(tmp_path / name, line, bytes_) for name, bytes_ in zip(names, (10_000_000, size), strict=True)
    ]

    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), *names], check=True, capture_output=True, text=True
    )

    (few, few_mib), (many, many_mib) = map(json.loads, run.stdout.splitlines())
    assert [few, many] == written
    assert many_mib < few_mib + 30  # MiB, of a file of 300
