"""What the page of the benchmark of the endpoint says beside its goals."""

from typing import Any

TEXT = """
The endpoint (`endpoint`: the data plane behind Caddy, as `shoploop up` serves it; `data_plane`: asked directly, as in
a container) beside the same bundle and the same state behind a plain `@bentoml.api`, written in both ways that BentoML
offers: in its event loop, and in threads (`bentoml_api_threads`). The plain service logs nothing; the endpoint logs
each impression and the features of every hundredth request. The load generator runs on the same machine. A request's
time counts from when it was due ([how](../load.md)).
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Heading of the page."""
    return "The endpoint under load"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    return [
        TEXT.strip(),
        f"{data['items']:,} items are scored for each of {data['users']:,} shoppers in turn; every service has "
        f"{data['processes']} processes. `{whole['command']}`, "
        f"{whole['created_at'][:10]}: {whole['machine']}.",
        f"![Requests a second, and latencies at fixed rates]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands after the goals."""
    rows = whole["results"]
    fast = ["model", "echo"]
    fixed = [split for split in dict.fromkeys(row["split"] for row in rows) if split not in fast]
    return [
        "## As fast as answers come",
        _table(rows, fast, ["per_second", "failed_requests"]),
        "`echo`: the model's work is left out, every list is the same one. Medians of rounds in turn, with the least "
        "and the most.",
        "## At a fixed rate",
        _table(rows, fixed, ["per_second", "failed_requests", "p50_ms", "p90_ms", "p99_ms", "max_ms"]),
        "Latencies are those of good answers. What the endpoint refuses when it is overloaded (429) is among the "
        "failed requests; the plain service refuses nothing and lets everybody wait.",
        f"All figures: [{name}.json]({name}.json).",
    ]


def _table(rows: list[dict[str, Any]], splits: list[str], metrics: list[str]) -> str:
    lines = [["load", "system", *(metric.replace("_", " ") for metric in metrics)]]
    lines.append(["---"] * len(lines[0]))
    found = {(row["split"], row["system"], row["metric"]): row for row in rows}
    for split, system in dict.fromkeys((row["split"], row["system"]) for row in rows):
        if split in splits:
            cells = [_cell(found.get((split, system, metric))) for metric in metrics]
            lines.append([split, system, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "none"
    spread = f" ({row['low']:g} to {row['high']:g})" if row["low"] != row["high"] else ""
    return f"{row['value']:g}{spread}"
