"""What the page of the comparison with RecTools says beside its goals."""

from typing import Any

TEXT = """
RecTools' SASRec in PyTorch, in an environment of its own (`benchmarks/peers/rectools.txt`): 1 block, 1 head, 64
dimensions, the latest 20 items, dropout 0.2, sampled softmax with 64 negatives, learning rate 1e-3, batches of 128
users, ended after 10 epochs without a better one. Ours is the attention retriever alone with its defaults. Both learn
from all but the last item and are judged after every epoch on the last by the same code: the whole catalog ranked,
seen items left out, ties counted against the target. The mark is the best epoch of the peer on these items. Seconds
are of training; judging and exporting are not counted, compiling the first epoch is.
"""


def file_name(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Name of the page and of what lies beside it."""
    return "rectools"


def title(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Heading of the page."""
    return "Time to the quality of RecTools' SASRec"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    best = {row["system"]: row["value"] for row in whole["results"]}
    rows = ["| system | best NDCG@10 | seconds to the mark | seconds in all | epochs |", f"|{' --- |' * 5}"]
    for line in whole["resources"]:
        reached = "never" if line["seconds_to_mark"] is None else line["seconds_to_mark"]
        cells = (line["system"], f"{best[line['system']]:.4f}", reached, line["seconds"], line["epochs"])
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return [
        TEXT.strip(),
        f"{data['users']:,} users, {data['items']:,} items, {data['events']:,} events. "
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}.",
        "\n".join(rows),
        f"![NDCG@10 by seconds of training]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:  # noqa: ARG001
    """What stands after the goals."""
    return [f"All figures: [{name}.json]({name}.json)."]
