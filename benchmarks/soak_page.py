"""What the page of the soak test says beside its goals."""

from typing import Any

STORES = {"sqlite": "SQLite", "redis": "Redis, each write on disk before the answer"}
TEXT = """
A real endpoint (supervisor, Caddy, data planes) answers lists and takes events at a fixed rate, half of what it answers
at most where no rate is given, while new releases go live one after another, each loading the model in a process of its
own. Memory is that of all its processes together, compared between the first and the last quarter of the time in which
two releases are warm.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return f"soak_{whole['data']['store']}"


def title(whole: dict[str, Any]) -> str:
    """Heading of the page."""
    return f"Half load for half an hour, state in {STORES[whole['data']['store']].partition(',')[0]}"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    return [
        TEXT.strip(),
        f"{data['rate']:g} lists a second of {data['items']:,} items for {data['users']:,} shoppers, "
        f"{data['seconds']:,} s; state in {STORES[data['store']]}. "
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}.",
        f"![Memory and latency over time, with the swaps]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands after the goals."""
    rows = [["of", "figure", "value"], ["---"] * 3]
    rows += [
        [row["system"], row["metric"].replace("_", " "), _text(row["value"])] for row in whole["results"]
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return [table, f"All figures, the memory of every second among them: [{name}.json]({name}.json)."]


def _text(value: float | None) -> str:
    return "none" if value is None else f"{round(value, 3):,}"
