"""The report of the scaling study in the common form, and its picture."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.heading import heading

Fits = dict[str, dict[str, Any]]

METRICS = ("loss", "ndcg_at_10")
BYTES = 4
COPIES = 3
"""A parameter and Adam's two moments."""


def report(
    by_size: Fits, by_data: Fits, popularity: float, cut: list[str], data: dict[str, Any]
) -> dict[str, Any]:
    """All figures.

    Args:
        by_size: What each size came to on all users, by its name.
        by_data: What the base size came to, by the share of the users.
        popularity: Held-out loss of how often items occur, in nats.
        cut: What was left out, a line each.
        data: Facts of the sequences.
    """
    fits = {**by_data, **by_size}
    return {
        **heading("scaling", data),
        "results": [
            _result("popularity", "loss", popularity),
            *(_result(name, metric, fit[metric]) for name, fit in fits.items() for metric in METRICS),
        ],
        "resources": [_resource(name, fit) for name, fit in fits.items()],
        "by_size": list(by_size),
        "by_data": list(by_data),
        "cut": cut,
        "goals": [
            {"goal": "every fit ends within --minutes", "value": len(cut), "met": not cut},
            {
                "goal": "every fit has a lower loss than popularity",
                "value": round(max((fit["loss"] for fit in fits.values()), default=0.0), 4),
                "met": bool(fits) and all(fit["loss"] < popularity for fit in fits.values()),
            },
            {
                "goal": "the loss falls with every doubling of the users",
                "value": [round(fit["loss"], 4) for fit in by_data.values()],
                "met": len(by_data) > 1 and _falls([fit["loss"] for fit in by_data.values()]),
            },
        ],
    }


def _falls(values: list[float]) -> bool:
    return all(later < earlier for earlier, later in pairwise(values))


def _result(system: str, metric: str, value: float) -> dict[str, Any]:
    return {"system": system, "split": "validation", "metric": metric, "value": round(value, 5), "seeds": 1}


def _resource(name: str, fit: dict[str, Any]) -> dict[str, Any]:
    parameters = fit["table_parameters"] + fit["encoder_parameters"]
    counts = ("users", "events", "table_parameters", "encoder_parameters", "epochs")
    return {
        "system": name,
        **{count: fit[count] for count in counts},
        "seconds": round(fit["seconds"], 1),
        "parameters_and_moments_mib": round(COPIES * BYTES * parameters / 2**20, 1),
        "peak_memory_mib": round(fit["peak_memory_mib"], 1),
    }


def draw(whole: dict[str, Any], file: Path) -> None:
    """Loss against parameters of the encoder and in all, and against the events that were learned from."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot, ticker

    loss = {row["system"]: row["value"] for row in whole["results"] if row["metric"] == "loss"}
    used = {line["system"]: line for line in whole["resources"]}
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    sizes, shares = whole["by_size"], whole["by_data"]
    encoder = [used[name]["encoder_parameters"] for name in sizes]
    total = [used[name]["encoder_parameters"] + used[name]["table_parameters"] for name in sizes]
    for counted, label in ((encoder, "of the encoder"), (total, "with the table")):
        left.plot(counted, [loss[name] for name in sizes], marker="o", label=label)
    right.plot(
        [used[name]["events"] for name in shares], [loss[name] for name in shares], marker="o", label="base"
    )
    for axis, fits, said in ((left, sizes, "parameters"), (right, shares, "events learned from")):
        axis.axhline(loss["popularity"], color="dimgrey", linestyle=":", label="popularity")
        axis.set(xscale="log" if fits else "linear", xlabel=said)
        if fits is shares and fits:
            axis.set_xticks([used[name]["events"] for name in fits], minor=False)
            axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
            axis.xaxis.set_minor_formatter(ticker.NullFormatter())
        axis.legend(fontsize=8)
    left.set_ylabel("held-out loss, nats")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
