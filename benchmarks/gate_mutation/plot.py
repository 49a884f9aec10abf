"""Which kind of check caught each sabotage."""

from pathlib import Path
from typing import Any

COLUMNS = ("validation", "stage_error", "quality gate", "package gate")


def draw(whole: dict[str, Any], file: Path) -> None:
    """Write the picture: a line a sabotage, a column a kind of check; the colour is how many checks caught it.

    Args:
        whole: The report.
        file: Of the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    rows = whole["sabotages"]
    counts = [[caught(row)[column] for column in COLUMNS] for row in rows]
    figure, axis = pyplot.subplots(figsize=(7, 1.5 + 0.28 * max(len(rows), 1)), layout="constrained")
    if rows:
        image = axis.imshow(counts, aspect="auto", cmap="Blues", vmin=0)
        figure.colorbar(image, label="checks that caught it")
    axis.set_xticks(range(len(COLUMNS)), COLUMNS)
    axis.set_yticks(range(len(rows)), [f"{row['name']} ({row['half']})" for row in rows])
    axis.set_title("What caught each sabotage; an empty line slips through")
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def caught(row: dict[str, Any]) -> dict[str, int]:
    """How many checks of each kind caught a sabotage."""
    gate = "package gate" if row["kind"] == "packaging" else "quality gate"
    found = dict.fromkeys(COLUMNS, 0)
    for name in row["caught_by"]:
        found[name if name in found else gate] += 1
    return found
