"""One build by one system: ``python -m benchmarks.features.one_run SYSTEM FOLDER VIEWS`` prints its seconds.

Starting Python, importing and opening a session are not counted: a schedule that builds features all day pays
them once, and they would hide the rest at the smallest size.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.features.inputs import Inputs

# The least that Spark's own guide recommends for a machine.
SPARK_MEMORY = "8g"

Build = Callable[[], Any]


@contextmanager
def _duckdb(names: tuple[str, ...], inputs: Inputs) -> Any:
    from pipelines.features.build import build_views

    out = inputs.folder / "duckdb"
    yield lambda: build_views(
        names,
        inputs.path("events"),
        inputs.path("items"),
        inputs.at_us,
        inputs.week,
        out,
        users=inputs.path("users"),
        promotions=inputs.path("promotions"),
    )


@contextmanager
def _pandas(names: tuple[str, ...], inputs: Inputs) -> Any:
    from benchmarks.features import in_pandas

    yield lambda: in_pandas.build(names, inputs)


@contextmanager
def _polars(names: tuple[str, ...], inputs: Inputs) -> Any:
    from benchmarks.features import in_polars

    yield lambda: in_polars.build(names, inputs)


@contextmanager
def _spark(names: tuple[str, ...], inputs: Inputs) -> Any:
    from benchmarks.features import in_spark

    with (
        TemporaryDirectory(prefix="spark-", dir=inputs.folder) as scratch,
        in_spark.open_session(SPARK_MEMORY, Path(scratch)) as session,
    ):
        yield lambda: in_spark.build(names, inputs, session)


@contextmanager
def _duckdb_files_on_spark(names: tuple[str, ...], inputs: Inputs) -> Any:
    from pipelines.features.spark import build_views_on_spark
    from pipelines.features.spark_session import SparkPlace, open_session

    place = SparkPlace("local[*]", SPARK_MEMORY, inputs.folder / "scratch")
    with open_session(place) as session:
        yield lambda: build_views_on_spark(
            session,
            names,
            inputs.path("events"),
            inputs.path("items"),
            inputs.at_us,
            inputs.week,
            inputs.folder / "duckdb_files_on_spark",
            users=inputs.path("users"),
            promotions=inputs.path("promotions"),
        )


SYSTEMS: dict[str, Callable[[tuple[str, ...], Inputs], AbstractContextManager[Build]]] = {
    "duckdb": _duckdb,
    "pandas": _pandas,
    "polars": _polars,
    "spark": _spark,
    "duckdb_files_on_spark": _duckdb_files_on_spark,
}


def main() -> None:
    """Build once and print the seconds as JSON."""
    system, folder, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split(",")
    with SYSTEMS[system](tuple(names), Inputs.load(folder)) as build:
        started = time.monotonic()
        build()
        seconds = time.monotonic() - started
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
