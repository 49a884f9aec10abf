"""Which kind of check caught each sabotage."""

from pathlib import Path
from typing import Any

COLUMNS = ("validation", "stage_error", "quality gate", "package gate")


def draw(whole: dict[str, Any], file: Path) -> None:
    """Write the picture: a line a sabotage, a column a kind of check, in it how many checks caught it.

    Args:
        whole: The report.
        file: Of the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    rows = whole["sabotages"]
    counts = [[caught(row)[column] for column in COLUMNS] for row in rows]
    figure, axis = pyplot.subplots(figsize=(7.5, 1.5 + 0.26 * max(len(rows), 1)), layout="constrained")
    if rows:
        axis.imshow(
            [[min(count, 1) for count in line] for line in counts], aspect="auto", cmap="Blues", vmax=2
        )
        axis.hlines([place + 0.5 for place in range(len(rows) - 1)], -0.5, len(COLUMNS) - 0.5, "white", lw=1)
    for place, line in enumerate(counts):
        for column, count in enumerate(line):
            if count:
                axis.text(column, place, str(count), ha="center", va="center")
        if not any(line):
            axis.text(-0.4, place, "nothing caught it", va="center", color="firebrick")
    axis.set_xticks(range(len(COLUMNS)), [column.replace("_", " ") for column in COLUMNS])
    axis.xaxis.tick_top()
    axis.set_yticks(range(len(rows)), [f"{row['name']} ({row['half']})" for row in rows])
    figure.suptitle("How many checks caught each sabotage")
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def caught(row: dict[str, Any]) -> dict[str, int]:
    """How many checks of each kind caught a sabotage."""
    gate = "package gate" if row["kind"] == "packaging" else "quality gate"
    found = dict.fromkeys(COLUMNS, 0)
    for name in row["caught_by"]:
        found[name if name in found else gate] += 1
    return found
