"""Stage: build the feature views as known at the validation moment and at the holdout moment."""

from pathlib import Path

from pipelines.evaluation.folds import Moment, read_folds, write_built_for
from pipelines.features.engines import Build, open_engine
from pipelines.features.lineage import refuse_beyond_reach
from pipelines.features.spark_session import SparkPlace
from pipelines.features.views import read_view
from pipelines.params import load_params
from pipelines.settings import settings

VALIDATED, FEATURES = Path("data/validated"), Path("data/features")


def main() -> None:
    """Build both folds in the workspace that is the current folder."""
    params, here = load_params().build_features, settings()
    spark = SparkPlace(here.spark_master, here.spark_driver_memory, here.spark_scratch)
    refuse_beyond_reach([read_view(name) for name in params.views])
    with open_engine(params.engine, spark, here.feature_builds, params.touched_share_limit) as build:
        for fold, moment in read_folds().items():
            for name, count in _build_fold(build, params.views, fold, moment).items():
                print(f"{fold}: {name} {count:,} rows", flush=True)
            write_built_for(FEATURES / fold, moment)


def _build_fold(build: Build, views: tuple[str, ...], fold: str, moment: Moment) -> dict[str, int]:
    return build(
        views,
        Path(f"data/split/{fold}_events.parquet"),
        VALIDATED / "items.parquet",
        moment.at_us,
        moment.week,
        FEATURES / fold,
        moment.history_from,
        users=VALIDATED / "users.parquet",
        promotions=VALIDATED / "promotions.parquet",
    )


if __name__ == "__main__":
    main()
