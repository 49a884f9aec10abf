"""Who redeems a campaign of Complete Journey: the response model beside the rate of the type and the shopper's own.

``python -m benchmarks.promotions --out DIR`` foretells each campaign from those that had ended when it began, as known
then, among the households that were sent it and among all, and writes a report and a plot.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.next_basket.inputs import data_sha256, tables_folder
from pipelines.contracts import CONTRACTS
from pipelines.contracts.sifting import sift
from pipelines.evaluation.responses import (
    METRICS,
    OWN_RATE,
    RESPONSE,
    TYPE_RATE,
    Foretold,
    foretell,
    measure_responses,
)
from pipelines.evaluation.splits import with_weeks
from pipelines.params import load_params
from pipelines.ranking.fitting.campaigns import CampaignPast, Learning
from pipelines.settings import CHECKOUT
from pipelines.sources.complete_journey import LAST_WEEK, CompleteJourney
from pipelines.tables import sha256, write_json, write_table
from pipelines.weeks import ShopCalendar, to_micros

OF_SENT = "response_of_the_sent"
PEERS = (TYPE_RATE, OWN_RATE)
SAMPLES, SEED = 1000, 7
Row = dict[str, Any]


def main() -> None:
    """Measure, and write the report and the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder of the tables, where not the package's")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    folder = tables_folder(asked.data)
    past = read_past(folder)
    sent = read_sent(folder, past)
    measured = measure(past, sent)
    whole = report(measured, time.monotonic() - started) | {"data": _data(folder, past)}
    write_json(asked.out / "report.json", whole)
    draw(whole, asked.out / "promotions.png")
    for row in whole["results"]:
        print(f"{row['split']:>5} {row['system']:<21} {row['metric']:<16} {row['value']:.3f}")


def read_past(folder: Path) -> CampaignPast:
    """All of Complete Journey, as known at its end."""
    params = load_params(CHECKOUT / "params.yaml")
    calendar = ShopCalendar.of(params.shop)
    end = calendar.end(LAST_WEEK)
    landed = CompleteJourney(calendar, folder).read_weeks(1, LAST_WEEK)
    tables = {
        name: sift(landed[name], CONTRACTS[name], end).accepted for name in ("events", "items", "promotions")
    }
    tables["events"] = with_weeks(tables["events"], calendar)
    with TemporaryDirectory() as name:
        for kind, table in tables.items():
            write_table(Path(name) / f"{kind}.parquet", table)
        files = (Path(name) / f"{kind}.parquet" for kind in tables)
        learning = Learning(**params.promotions.learning())
        return CampaignPast(*files, to_micros(end), LAST_WEEK + 1, learning)


def read_sent(folder: Path, past: CampaignPast) -> list[NDArray[np.bool_]]:
    """Of each campaign, which of its shoppers were sent it; that is not among what a shop lands."""
    table = pq.read_table(folder / "campaigns.parquet")
    sent: dict[str, set[str]] = {}
    for campaign, household in zip(
        table["campaign_id"].to_pylist(), table["household_id"].to_pylist(), strict=True
    ):
        sent.setdefault(str(campaign), set()).add(str(household))
    return [
        np.array(
            [str(user) in sent.get(one.campaign.campaign_id, set()) for user in past.user_ids[one.users]],
            bool,
        )
        for one in past.asked
    ]


def measure(past: CampaignPast, sent: Sequence[NDArray[np.bool_]]) -> dict[str, Any]:
    """Figures among those who were sent a campaign, and among all shoppers."""
    everybody, taught = foretell(past), foretell(past, np.concatenate(sent))
    of_campaign = {one.campaign.campaign_id: mask for one, mask in zip(past.asked, sent, strict=True)}
    also = {one.campaign_id: one.scores[RESPONSE] for one in taught}
    both = [
        Foretold(
            one.campaign_id, one.users, one.redeemed, dict(one.scores) | {OF_SENT: also[one.campaign_id]}
        )
        for one in everybody
        if one.campaign_id in also
    ]
    among = [one.take(of_campaign[one.campaign_id]) for one in both]
    return {
        "sent": measure_responses(among, SAMPLES, SEED),
        "all": measure_responses(both, SAMPLES, SEED),
    }


def report(measured: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The report in the common form."""
    results = [
        {"system": system, "split": split, "metric": metric}
        | {"value": figure["mean"], "low": figure["low"], "high": figure["high"]}
        for split, found in measured.items()
        for metric in METRICS
        for system, figure in found[metric].items()
    ]
    return {
        "benchmark": "promotions",
        "command": " ".join(["python -m benchmarks.promotions", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "pairs": {
            split: {name: found[name] for name in ("pairs", "redeemed")} for split, found in measured.items()
        },
        "results": results,
        "comparisons": {split: found["above"] for split, found in measured.items()},
        "campaigns": measured["sent"]["campaigns"],
        "resources": [{"system": "all", "seconds": round(seconds, 1)}],
        "goals": [_goal(measured["sent"]["above"], metric, peer) for metric in METRICS for peer in PEERS],
    }


def _goal(above: dict[str, Any], metric: str, peer: str) -> Row:
    found = above[metric][peer]
    span = f"{found['mean']:+.3f}, {found['low']:+.3f} to {found['high']:+.3f}"
    return {
        "goal": f"{metric} of {RESPONSE} above {peer} among those sent it, with an interval above zero: {span}",
        "met": found["low"] > 0,
    }


def _data(folder: Path, past: CampaignPast) -> Row:
    return {
        "name": "Complete Journey",
        "path": folder.name,
        "sha256": data_sha256(folder),
        "sent_sha256": sha256(folder / "campaigns.parquet"),
        "campaigns": len(past.campaigns),
        "households": len(past.user_ids),
    }


def draw(whole: dict[str, Any], file: Path) -> None:
    """Write the picture: AUC of each campaign among those who were sent it, with its interval."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    rows = whole["campaigns"]
    names = [f"{row['campaign_id']} ({row['redeemed']} of {row['shoppers']})" for row in rows]
    figure, axis = pyplot.subplots(figsize=(9, 1.6 + 0.36 * len(rows)), layout="constrained")
    for shift, (system, colour) in enumerate([(RESPONSE, "tab:blue"), (OWN_RATE, "tab:orange")]):
        found = [row["auc"][system] for row in rows]
        values = [one["mean"] for one in found]
        reach = [[one["mean"] - one["low"] for one in found], [one["high"] - one["mean"] for one in found]]
        places = np.arange(len(rows)) + 0.25 * shift
        axis.errorbar(
            values, places, xerr=np.maximum(reach, 0), fmt="o", color=colour, label=system, capsize=2
        )
    axis.axvline(0.5, color="grey", linewidth=1)
    axis.set(yticks=np.arange(len(rows)), yticklabels=names, xlabel="AUC, 95 % over households")
    axis.set_title("Who of those that were sent a campaign redeems it")
    axis.legend()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
