"""What was live, how fast it answered, and what failed, over time."""

from pathlib import Path
from typing import Any

from benchmarks.live_weeks.report import moment

Row = dict[str, Any]
STEP_COLOURS = {"shadow": "tab:gray", "canary": "tab:orange", "aborted": "tab:red"}


def bands(whole: Row) -> list[tuple[float, float, str]]:
    """Begin and end in minutes since the first request, and the release that was live."""
    if not whole["windows"]:
        return []
    start, last = whole["windows"][0]["at"], whole["windows"][-1]["at"]
    begins = [(moment(move["moved_at"]), move["release_id"]) for move in whole["moves"]]
    ends = [*(begin for begin, _ in begins[1:]), last]
    spans = [
        (max(begin, start), min(end, last), name) for (begin, name), end in zip(begins, ends, strict=True)
    ]
    return [((begin - start) / 60, (end - start) / 60, name) for begin, end, name in spans if end > begin]


def draw(whole: Row, file: Path) -> None:
    """Write the picture.

    Args:
        whole: The report.
        file: Of the picture.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    parts = whole["windows"]
    figure, (speed, failed) = pyplot.subplots(
        2, 1, figsize=(11, 6), sharex=True, layout="constrained", height_ratios=(3, 1)
    )
    start = parts[0]["at"] if parts else 0.0
    minutes = [(part["at"] - start) / 60 for part in parts]
    for name, colour in (("p50_ms", "tab:blue"), ("p99_ms", "tab:purple")):
        values = [float("nan") if part[name] is None else part[name] for part in parts]
        speed.plot(minutes, values, color=colour, linewidth=1, label=f"{name[:3]}, per 10 s")
    speed.set_yscale("log")
    speed.set_ylabel("ms")
    failed.bar(minutes, [part["failed"] for part in parts], width=1 / 6, color="tab:red")
    failed.set_ylim(0, max(1, *(part["failed"] for part in parts)) if parts else 1)
    failed.set_ylabel("failed requests")
    failed.set_xlabel("minutes since the first request")
    for number, (begin, end, name) in enumerate(bands(whole)):
        speed.axvspan(begin, end, color=("0.93", "0.85")[number % 2], zorder=0)
        speed.text(
            begin,
            1.0,
            f" {name}",
            transform=speed.get_xaxis_transform(),
            fontsize=7,
            va="bottom",
            rotation=20,
        )
    shown = set[str]()
    for step in whole["steps"]:
        kind = step["step"]
        label = "" if kind in shown else kind
        shown.add(kind)
        at = (moment(step["taken_at"]) - start) / 60
        speed.axvline(
            at, color=STEP_COLOURS.get(kind, "black"), linewidth=1, linestyle="--", label=label or None
        )
    speed.legend(loc="upper right", fontsize=8)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
