"""Seconds and memory by size, one line a system."""

from pathlib import Path
from typing import Any


def draw(whole: dict[str, Any], file: Path) -> None:
    """Write the picture; a run that did not finish leaves its line without a point there."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.8))
    systems = dict.fromkeys(line["system"] for line in whole["resources"])
    for axis, figure_name, label in (
        (axes[0], "seconds", "seconds"),
        (axes[1], "peak_memory_mib", "peak memory, MiB"),
    ):
        for system in systems:
            lines = [line for line in whole["resources"] if line["system"] == system and not line["fault"]]
            sizes = [int(line["split"].rstrip("x")) for line in lines]
            axis.plot(sizes, [line[figure_name] for line in lines], marker="o", label=system)
        axis.set(xscale="log", yscale="log", xlabel="times Complete Journey", ylabel=label)
        ticks = [int(size.rstrip("x")) for size in whole["data"]["sizes"]]
        axis.set_xticks(ticks, [f"{tick}x" for tick in ticks])
    axes[1].axhline(4096, color="grey", linestyle=":", linewidth=1)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
