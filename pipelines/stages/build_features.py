"""Stage: build the feature views as known at the validation moment and at the holdout moment."""

from pathlib import Path

from pipelines.evaluation.folds import read_folds
from pipelines.features.build import build_views
from pipelines.params import load_params

VALIDATED = Path("data/validated")


def main() -> None:
    """Build both folds in the workspace that is the current folder."""
    views = load_params().build_features.views
    for fold, moment in read_folds().items():
        events = Path(f"data/split/{fold}_events.parquet")
        out = Path("data/features") / fold
        rows = build_views(
            views,
            events,
            VALIDATED / "items.parquet",
            moment.at_us,
            moment.week,
            out,
            moment.history_from,
            users=VALIDATED / "users.parquet",
            promotions=VALIDATED / "promotions.parquet",
        )
        for name, count in rows.items():
            print(f"{fold}: {name} {count:,} rows", flush=True)


if __name__ == "__main__":
    main()
