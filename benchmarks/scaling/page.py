"""What the page of this benchmark says beside its goals."""

from typing import Any

TEXT = """
The attention retriever at several sizes on all users, and at its base size on a part of them; all other choices are
the defaults at every size. The loss is the cross-entropy of the last but one item of a user under a softmax over the
whole catalog, in nats, so that it compares across sizes and shares; all fits are judged on the same users. Every other
user of the validation chooses the epoch, and the figures are those of the others. `popularity` is the loss of how often
items occur. NDCG@10 ranks the whole catalog, seen items left out, ties counted against the target.

Each fit is a process of its own: its peak of memory holds TensorFlow, the data and the judging. Parameters and moments
are what the model itself needs while it trains (32-bit floats, two moments each).
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Heading of the page."""
    return "Loss against parameters and data"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    return [
        TEXT.strip(),
        f"{data['users']:,} users, {data['items']:,} items, {data['events']:,} events. "
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}.",
        table(whole),
        f"![Loss by parameters and by events]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands after the goals."""
    return [
        *(["## What was left out", "\n".join(f"- {line}" for line in whole["cut"])] if whole["cut"] else []),
        f"All figures: [{name}.json]({name}.json).",
    ]


def table(whole: dict[str, Any]) -> str:
    """Markdown: a line a fit."""
    found = {(row["system"], row["metric"]): row["value"] for row in whole["results"]}
    counts = ("users", "table_parameters", "encoder_parameters", "epochs", "seconds")
    memory = ("parameters_and_moments_mib", "peak_memory_mib")
    head = ["fit", "loss", "NDCG@10", *(count.replace("_", " ") for count in (*counts, *memory))]
    rows = [head, ["---"] * len(head)]
    rows.append(["popularity", f"{found['popularity', 'loss']:.3f}", *[""] * (len(head) - 2)])
    for line in whole["resources"]:
        name = line["system"]
        figures = [f"{found[name, 'loss']:.3f}", f"{found[name, 'ndcg_at_10']:.4f}"]
        rows.append([name, *figures, *(f"{line[count]:,}" for count in (*counts, *memory))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
