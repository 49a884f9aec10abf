"""NDCG@10 over all weeks by system and kind of item."""

from pathlib import Path
from typing import Any

from benchmarks.next_basket.figures import METRICS

TITLES = dict(zip(METRICS, ("all items", "repeats", "new items", "list of new items only"), strict=True))


def draw(whole: dict[str, Any], file: Path) -> None:
    """Write the picture: a panel a kind of item with a bar a system.

    Args:
        whole: The report.
        file: Of the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    found = {(row["system"], row["metric"]): row for row in whole["results"]}
    systems = sorted({name for name, _ in found}, key=lambda name: found[name, "ndcg_at_10"]["value"])
    figure, axes = pyplot.subplots(
        1, len(METRICS), figsize=(15, 1.6 + 0.36 * len(systems)), sharey=True, layout="constrained"
    )
    for axis, metric in zip(axes, METRICS, strict=True):
        rows = [found[name, metric] for name in systems]
        values = [row["value"] for row in rows]
        reach = [
            [value - row["low"] for value, row in zip(values, rows, strict=True)],
            [row["high"] - value for value, row in zip(values, rows, strict=True)],
        ]
        axis.barh(systems, values, xerr=reach, color="tab:blue", capsize=2)
        axis.set(title=TITLES[metric], xlabel="NDCG@10, 95 % over households")
    first, last = whole["data"]["weeks"][0], whole["data"]["weeks"][-1]
    figure.suptitle(f"Next week's basket, weeks {first} to {last}, each foretold from the weeks before it")
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
