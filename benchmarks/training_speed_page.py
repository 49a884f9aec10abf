"""What the page of the benchmark of training speed says beside its goals."""

from pathlib import Path
from typing import Any

TEXT = """
Ours is the attention retriever's own loop: rows of like length together, sampled softmax, updates of touched rows
only. The peer is the loop that most tutorials show: rows padded to one length, logits of the whole catalog at every
position, Keras' `fit` with its dense Adam. Both train the same encoder with the same learning rate, dropout and
temperature in one run and end by the same patience; a padded position is no token. Judging is not in the seconds, and
the first epoch, which compiles, not in the tokens a second. NDCG@10 is on the validation items, of the best epoch of
each, by the same code. A peer that was only timed (`--peer-steps`) trains on drawn users, and has no NDCG.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Heading of the page."""
    return "How fast models are trained"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    counts = ", ".join(f"{data[name]:,} {name}" for name in ("users", "items", "events") if name in data)
    source = Path(data["path"]).name or "generated walks"
    return [
        TEXT.strip(),
        f"Data: {source}, {counts}. `{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}.",
        table(whole),
        f"![Tokens a second and NDCG@10]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:  # noqa: ARG001
    """What stands after the goals."""
    return [f"All figures: [{name}.json]({name}.json)."]


def table(whole: dict[str, Any]) -> str:
    """Markdown: a line a system."""
    ndcg = {row["system"]: row["value"] for row in whole["results"]}
    rows = [["system", "tokens a second", "NDCG@10", "epochs", "seconds", "cut"], ["---"] * 6]
    for line in whole["resources"]:
        cut = "yes" if line["is_cut"] else ""
        judged = f"{ndcg[line['system']]:.4f}" if line["system"] in ndcg else "not judged"
        figures = (f"{line['tokens_per_second']:,}", judged, f"{line['epochs']}")
        rows.append([line["system"], *figures, f"{line['seconds']:,}", cut])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
