"""One metric on test by system, with intervals; published results are lines."""

from pathlib import Path
from typing import Any

COLOURS = ("tab:blue", "tab:orange")
THICKNESS = 0.76


def draw(whole: dict[str, Any], file: Path, *, metric: str, title: str) -> None:
    """Write the picture: a bar a system and training, the best system on top.

    Args:
        whole: The report.
        file: Of the picture.
        metric: Which one is shown.
        title: What the axis says of it.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in whole["results"] if row["split"] == "test" and row["metric"] == metric]
    ours = [row for row in rows if row["seeds"]]
    best: dict[str, float] = {}
    for row in ours:
        best[row["system"]] = max(row["value"], best.get(row["system"], 0.0))
    systems = sorted(best, key=lambda name: best[name])
    figure, axis = pyplot.subplots(figsize=(9, 2.4 + 0.45 * len(systems)), layout="constrained")
    trainings = list(dict.fromkeys(row["trained_on"] for row in ours))
    thickness = THICKNESS / max(1, len(trainings))
    for number, (trained_on, colour) in enumerate(zip(trainings, COLOURS, strict=False)):
        offset = thickness * (number - (len(trainings) - 1) / 2)
        shown = [row for row in ours if row["trained_on"] == trained_on]
        values = [row["value"] for row in shown]
        reach = [
            [value - row["low"] for value, row in zip(values, shown, strict=True)],
            [row["high"] - value for value, row in zip(values, shown, strict=True)],
        ]
        spots = [systems.index(row["system"]) + offset for row in shown]
        axis.barh(
            spots,
            values,
            0.95 * thickness,
            xerr=reach,
            color=colour,
            label=trained_on.replace("_", " "),
            capsize=2,
        )
    published = sorted((row for row in rows if not row["seeds"]), key=lambda row: row["value"])[-3:]
    for row, style in zip(published, (":", "-.", "--"), strict=False):
        said = f"{row['system']} ({row['trained_on'].replace('_', ' ')})"
        axis.axvline(row["value"], color="dimgrey", linestyle=style, linewidth=1.2, label=said)
    axis.set_yticks(range(len(systems)), systems)
    axis.set(xlabel=title, ylim=(-0.8, len(systems) - 0.4))
    figure.legend(title="learned from", loc="outside lower center", fontsize=8, ncols=2)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
