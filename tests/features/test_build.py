from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.features import build
from pipelines.features.build import open_database, threads_for, write_sorted
from pipelines.features.views import View
from tests.features.tiny_shop import VIEWS, bought, build_shop


@pytest.mark.parametrize(
    ("sql", "threads"),
    [
        ("SELECT user_id, COUNT(DISTINCT basket) FROM lines GROUP BY user_id HAVING MAX(week) > 3", 6),
        ("SELECT *, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY week) AS place FROM lines", 6),
        ("SELECT user_id, SUM(value) FROM lines GROUP BY user_id", 1),
        ("SELECT *, AVG(value) OVER (PARTITION BY user_id) AS mean FROM lines", 1),
        ("WITH spread AS (SELECT STDDEV(value) FROM lines) SELECT * FROM spread", 1),
        ("SELECT user_id, fsum(value) FROM lines GROUP BY user_id", 1),
        ("SELECT nothing that is SQL", 1),
    ],
)
def test_threads_for__one_where_the_order_of_adding_matters(
    sql: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build.os, "cpu_count", lambda: 6)
    assert threads_for(sql) == threads


def test_write_sorted__equal_rows_give_equal_bytes_on_one_and_on_many_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enough rows for several row groups, whatever plan made them."""
    counted = "SELECT number % 300007 AS k, COUNT(*) AS n, MAX(number) AS last FROM numbers GROUP BY 1"
    written = []
    for cores, sql in ((1, counted), (4, counted), (4, f"SELECT * FROM ({counted}) WHERE k >= 0")):
        monkeypatch.setattr(build.os, "cpu_count", lambda cores=cores: cores)
        folder = tmp_path / f"{len(written)}"
        folder.mkdir()
        with open_database(folder) as database:
            database.execute("CREATE TABLE numbers AS SELECT range AS number FROM range(1000000)")
            assert write_sorted(database, View("counted", ("k",), sql), sql, folder) == 300007
        assert [file.name for file in folder.iterdir()] == ["counted.parquet"]
        written.append((folder / "counted.parquet").read_bytes())
    assert written[0] == written[1] == written[2]


def test_build_views__every_column_may_be_empty_in_the_file(tmp_path: Path) -> None:
    """Else the schema would depend on what the plan knows, and the bytes with it."""
    build_shop(tmp_path, [bought("ann", "a1", "milk", 3)])
    schemas = [pq.read_schema(tmp_path / "out" / f"{name}.parquet") for name in VIEWS]
    assert {column.nullable for schema in schemas for column in schema} == {True}
