"""Stage: rank the catalog for every household of the holdout week, candidate and champion by their own code."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.domain import History, Recommendation
from pipelines.evaluation.champions import champion_facts
from pipelines.evaluation.folds import Moment, read_built_for, read_folds
from pipelines.evaluation.lists import Lists, score_bundle
from pipelines.evaluation.measure import measure_permuted
from pipelines.evaluation.report import build_report, read_grouping
from pipelines.evaluation.scenarios import measure_scenarios, scenario_lines
from pipelines.evaluation.splits import targets_sha256
from pipelines.evaluation.strays import find_strays
from pipelines.evaluation.truth import read_histories, read_truth
from pipelines.features.histories import Histories
from pipelines.features.history_view import views_of
from pipelines.params import load_params
from pipelines.ranking.blended import BlendedRecommender
from pipelines.tables import read_table, write_json, write_table

FOLD = "holdout"
CANDIDATE, CHAMPION = Path("models/candidate"), Path("data/inputs/champion")
REPORTS = Path("reports")
PLACES, RUNNERS_UP, TIE = 10, 90, 1e-4


def main() -> None:
    """Evaluate in the workspace that is the current folder."""
    everything = load_params()
    params = everything.evaluate_candidate
    moment = read_folds()[FOLD]
    histories, champion = read_histories(FOLD, moment), champion_facts(CHAMPION, CANDIDATE)
    truth = read_truth(FOLD, histories)
    asked = histories.take(np.array(sorted(truth.bought)))
    lists = score_bundles(asked, moment, champion is not None)
    rows = [measure_permuted(found, truth, params.seed) for found in lists.values()]
    per_user = pd.concat(rows, ignore_index=True)
    grouping = read_grouping(FOLD, moment.at_us, params, histories)
    per_user["slice"] = per_user["user_id"].map(grouping.households)
    report = build_report(moment.week, per_user, lists, truth, grouping, params)
    report["holdout_sha256"] = targets_sha256(read_table(Path("data/split") / f"{FOLD}_targets.parquet"))
    report["histories_until_us"] = int(asked.times.max())
    report["features_of_week"] = read_built_for(Path("data/features") / FOLD)
    report["strays"] = find_strays()
    report["champion"] = champion
    report["scenarios"] = measure_scenarios(
        CANDIDATE, FOLD, asked, moment, truth, params, everything.promotions
    )
    write_json(REPORTS / "metrics.json", report)
    write_table(REPORTS / "per_user.parquet", pa.Table.from_pandas(per_user, preserve_index=False))
    write_plots(report)
    write_known_queries(asked, moment, params.known_queries)
    print(table(report), flush=True)


def score_bundles(histories: Histories, moment: Moment, has_champion: bool) -> dict[str, Lists]:
    """Lists of the candidate with all its systems, and of the champion when there is one.

    The same shoppers, each bundle with histories made by its own view.
    """
    found = {"candidate": _lists(CANDIDATE, histories, moment)}
    if has_champion:
        own = read_histories(FOLD, moment, views_of(CHAMPION)).take(histories.user_ids)
        champion = _lists(CHAMPION, own, moment)
        found["champion"] = Lists(
            champion.user_ids, champion.item_ids, {"champion": champion.systems["blend"]}
        )
    return found


def _lists(bundle: Path, histories: Histories, moment: Moment) -> Lists:
    with TemporaryDirectory() as name:
        histories.save(Path(name) / "histories.npz")
        return score_bundle(bundle, Path(name) / "histories.npz", moment.at_us, Path(name) / "lists.npz")


def write_known_queries(histories: Histories, moment: Moment, count: int) -> None:
    """Questions with the answers that the packed release must give."""
    recommender = BlendedRecommender.load(CANDIDATE)
    chosen = histories.take(histories.user_ids[:: max(len(histories) // count, 1)][:count])
    queries = [_query(recommender, history, moment.at_us) for history in chosen]
    (REPORTS / "known_queries.json").write_text(json.dumps({"queries": queries}, sort_keys=True) + "\n")


def _query(recommender: BlendedRecommender, history: History, now: int) -> dict[str, Any]:
    places = recommender.recommend(history, now, PLACES + RUNNERS_UP).items
    found, beyond = places[:PLACES], places[PLACES:]
    # Sums differ in their last bits from process to process: what ties with the last place may stand there.
    tied = [place for place in beyond if math.isclose(place.score, found[-1].score, rel_tol=TIE, abs_tol=TIE)]
    rows = {
        "items": history.items.tolist(),
        "times": history.times.tolist(),
        "baskets": history.baskets.tolist(),
    }
    return {
        "user_id": history.user_id, "history": rows, "now": now, "k": PLACES,
        "expected": _scored(found), "tied": _scored(tied),
    }  # fmt: skip


def _scored(places: Sequence[Recommendation]) -> list[list[Any]]:
    return [[place.item_id, round(place.score, 9)] for place in places]


def write_plots(report: dict[str, Any]) -> None:
    """Tables that `dvc plots` draws."""
    folder = REPORTS / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    systems = pd.DataFrame.from_dict(report["systems"], orient="index").rename_axis("system").reset_index()
    systems.sort_values("ndcg_at_10").to_csv(folder / "systems.csv", index=False, float_format="%.6f")
    rows = [
        {"slice": name, "system": system, "ndcg_at_10": value}
        for name, found in report["slices"].items()
        for system, value in found["ndcg_at_10"].items()
    ]
    pd.DataFrame(rows).to_csv(folder / "slices.csv", index=False, float_format="%.6f")


def table(report: dict[str, Any]) -> str:
    """The systems in words, best first."""
    lines = [
        f"week {report['week']}, {report['households']} households        NDCG@10  recall@10   MRR@10  coverage"
    ]
    ranked = sorted(report["systems"].items(), key=lambda pair: -pair[1]["ndcg_at_10"])
    for name, found in ranked:
        figures = [found[metric] for metric in ("ndcg_at_10", "recall_at_10", "mrr_at_10", "coverage_at_10")]
        lines.append(f"  {name:<30}" + "".join(f"{value:10.4f}" for value in figures))
    return "\n".join([*lines, *(f"  {line}" for line in scenario_lines(report["scenarios"]))])


if __name__ == "__main__":
    main()
