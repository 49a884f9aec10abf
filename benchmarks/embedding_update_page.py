"""What the page of the benchmark of the embedding's update says beside its goals."""

from typing import Any

TEXT = """
One step of Adam on a table of embeddings of which a batch touches a few thousand rows. Ours updates those rows alone;
the peer is Keras' dense Adam, whose step goes through the whole table. Both begin with the same table and the same
gradients and are asked by turns in one run; the first update of both has to be the same. Medians, with the least and
the most.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Heading of the page."""
    return "What an update of a large table costs"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    return [
        TEXT.strip(),
        f"{data['touched_rows']:,} rows of {data['embedding_size']} numbers are touched. `{whole['command']}`, "
        f"{whole['created_at'][:10]}: {whole['machine']}.",
        table(whole),
        f"![Milliseconds of an update by the size of the table]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:  # noqa: ARG001
    """What stands after the goals."""
    return [f"All figures: [{name}.json]({name}.json)."]


def table(whole: dict[str, Any]) -> str:
    """Markdown: a line a size, a column a system."""
    systems = list(dict.fromkeys(row["system"] for row in whole["results"]))
    sizes = list(dict.fromkeys(row["split"] for row in whole["results"]))
    found = {(row["split"], row["system"]): row for row in whole["results"]}
    rows = [["table", *(f"{system}, ms" for system in systems)], ["---"] * (1 + len(systems))]
    rows += [[size, *(_cell(found[size, system]) for system in systems)] for size in sizes]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(row: dict[str, Any]) -> str:
    return f"{row['value']:g} ({row['low']:g} to {row['high']:g})"
