"""Which engine builds the views: DuckDB in this process, or Spark here or on a cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from pipelines.features.build import build_views
from pipelines.features.incremental import build_views_incrementally
from pipelines.features.kept_builds import KeptBuilds
from pipelines.features.spark import build_views_on_spark
from pipelines.features.spark_session import SparkPlace, open_session

Engine = Literal["duckdb", "spark"]
Build = Callable[..., dict[str, int]]


@contextmanager
def open_engine(
    engine: Engine, spark: SparkPlace, kept: Path | None = None, touched_share: float = 0
) -> Iterator[Build]:
    """What builds views, as :func:`pipelines.features.build.build_views` does, until the end of the block.

    Args:
        engine: ``build_features.engine`` of ``params.yaml``.
        spark: Where Spark runs, when it is asked.
        kept: Where earlier builds are, of which DuckDB takes over what did not change; None builds all. Spark
            always builds all.
        touched_share: ``build_features.touched_share_limit``, see the incremental build.

    Raises:
        FeatureError: Spark cannot be started; the message names the remedy.
    """
    if engine == "duckdb":
        kept_builds = KeptBuilds(kept) if kept else None
        yield (
            partial(build_views_incrementally, kept_builds, touched_share, _say)
            if kept_builds
            else build_views
        )
        return
    with open_session(spark) as session:
        yield partial(build_views_on_spark, session)


def _say(line: str) -> None:
    print(f"  {line}", flush=True)
