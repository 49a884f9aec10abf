"""Which engine builds the views: DuckDB in this process, or Spark here or on a cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

from pipelines.features.build import build_views
from pipelines.features.spark import build_views_on_spark
from pipelines.features.spark_session import SparkPlace, open_session

Engine = Literal["duckdb", "spark"]
Build = Callable[..., dict[str, int]]


@contextmanager
def open_engine(engine: Engine, spark: SparkPlace) -> Iterator[Build]:
    """What builds views, as :func:`pipelines.features.build.build_views` does, until the end of the block.

    Args:
        engine: ``build_features.engine`` of ``params.yaml``.
        spark: Where Spark runs, when it is asked.

    Raises:
        FeatureError: Spark cannot be started; the message names the remedy.
    """
    if engine == "duckdb":
        yield build_views
        return
    with open_session(spark) as session:
        yield partial(build_views_on_spark, session)
