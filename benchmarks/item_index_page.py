"""What the page of the benchmark of an index of items says beside its goals."""

from typing import Any

TEXT = """
The items whose vectors have the largest inner product with a shopper's vector, twenty of them, found exactly
(`numpy_exact`: a product with all items and top-k, one thread, as a release does it) and by graphs of neighbours, HNSW,
of usearch and of faiss, which are asked with one thread as well. A number more makes all items equally long, so that
the nearest is the one with the largest inner product. **No real catalog is as large as the largest here.**
The vectors are those of a trained network, each with the item's bias as one number more; a smaller catalog is a sample
of them, a larger one is all of them and sampled ones with noise. The shoppers are real. How widely a graph is searched
is chosen on one half of the shoppers; recall and milliseconds are those of the other half, asked of all systems by
turns. That vectors are made equally long was chosen before, after a look at shoppers who are among the judged ones:
HNSW on plain inner products had found .84 of the twenty among 100,000, and slower than exact search.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Heading of the page."""
    return "Exact search of items, and an index"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    return [
        TEXT.strip(),
        f"{data['real_items']:,} real items of {data['numbers']} numbers; noise {data['noise']:g} of each number's "
        f"spread; {data['shoppers']:,} shoppers. `{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}.",
        table(whole),
        "Milliseconds: medians over the shoppers, with a tenth of them below and above.",
        f"![Milliseconds of a query by the size of the catalog]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:  # noqa: ARG001
    """What stands after the goals."""
    return [
        "An index finds items of a catalog as it was built. A release scores more than inner products (what was bought "
        "before, the type, the blend's other parts), and filters after it: both need many more candidates than twenty.",
        f"All figures: [{name}.json]({name}.json). usearch and faiss are no part of shoploop: "
        "`uv pip install usearch faiss-cpu` before running this.",
    ]


def table(whole: dict[str, Any]) -> str:
    """Markdown: a line a size and system."""
    found = {(row["split"], row["system"], row["metric"]): row for row in whole["results"]}
    built = {(row["split"], row["system"]): row for row in whole["resources"]}
    rows = [["catalog", "system", "ms", "times as fast", "recall@20", "width", "built in"], ["---"] * 7]
    for split, system in dict.fromkeys((row["split"], row["system"]) for row in whole["results"]):
        ms, recall, times = (
            found[split, system, metric] for metric in ("milliseconds", "recall", "times_exact")
        )
        index = built.get((split, system))
        rows.append(
            [
                *(split, f"`{system}`", f"{ms['value']:.3g} ({ms['low']:.3g} to {ms['high']:.3g})"),
                *(f"{times['value']:.3g}", f"{recall['value']:.4f}"),
                *([str(index["width"]), f"{index['seconds']:g} s"] if index else ["", ""]),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
