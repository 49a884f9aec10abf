"""Stage: the quality decision. A refusal is a result: the stage always writes its decision and ends well."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.domain import Decision
from pipelines.evaluation.folds import read_folds
from pipelines.gates.champions import Champion
from pipelines.gates.guards import Lists
from pipelines.gates.quality import Evidence, decide
from pipelines.metrics import PERMUTED
from pipelines.params import DecidePromotion, load_params
from pipelines.tables import read_json, read_table, write_json

REPORTS = Path("reports")


def main() -> None:
    """Decide in the workspace that is the current folder."""
    policy = load_params().decide_promotion
    decision = decide(policy, read_evidence(policy))
    body = dataclasses.asdict(decision) | {"policy": policy.model_dump(mode="json")}
    write_json(REPORTS / "decision.json", body)
    print(words(decision), flush=True)


def read_evidence(policy: DecidePromotion) -> Evidence:
    """The evidence of the workspace."""
    metrics = read_json(REPORTS / "metrics.json")
    rows = read_table(REPORTS / "per_user.parquet").to_pandas()
    wide, permuted = _by_system(rows, policy.metric), _by_system(rows, PERMUTED + policy.metric)
    slice_of = rows.drop_duplicates("user_id").set_index("user_id")["slice"].reindex(wide.index)
    fold = read_folds()["holdout"]
    return Evidence(
        week=metrics["week"],
        values={str(system): wide[system].to_numpy() for system in wide.columns},
        permuted={str(system): permuted[system].to_numpy() for system in permuted.columns},
        champion=Champion.read(metrics["champion"]) if metrics["champion"] else None,
        holdout_sha256=metrics["holdout_sha256"],
        split_sha256=fold.targets_sha256,
        slice_of=slice_of.to_numpy().astype(np.str_),
        lists={
            system: Lists(found["coverage_at_10"], found["concentration_at_10"])
            for system, found in metrics["systems"].items()
        },
        latest_us=metrics["histories_until_us"],
        moment_us=fold.at_us,
        features_of_week=metrics["features_of_week"],
        strays=tuple(metrics["strays"]),
    )


def _by_system(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    wide: pd.DataFrame = rows.pivot_table(index="user_id", columns="system", values=metric)
    return wide.sort_index()


def words(decision: Decision) -> str:
    """The decision as a person reads it."""
    lines = [f"{check.verdict:<22} {check.name}: {check.message}" for check in decision.checks]
    return "\n".join([f"Verdict: {decision.verdict}", *lines])


if __name__ == "__main__":
    main()
