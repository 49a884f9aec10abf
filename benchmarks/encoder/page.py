"""What the page of the benchmark of the network at batch 1 says beside its goals."""

from typing import Any

TEXT = """
The neural part of a release answers in NumPy (`numpy`; `pipelines/retrieval/sequence.py`). Here the same trained
network is exported as a TensorFlow SavedModel (`saved_model`), from the very layers that Keras trained, with all that
depends on no shopper worked out before, as NumPy has it; and where it is installed, that SavedModel converted for
LiteRT (`litert`), its weights frozen. Each is given the same features of one shopper and asked for the twenty best of
the whole catalog, top-k included; they are asked by turns, another one first each time. NumPy and LiteRT have one
thread, as a release has; TensorFlow has its own default, all cores.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:  # noqa: ARG001
    """Heading of the page."""
    return "The trained network for one shopper"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    return [
        TEXT.strip(),
        f"{data['items']:,} items, {data['shoppers']:,} shoppers with all that they bought, embeddings of "
        f"{data['embedding_size']}. `{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}.",
        table(whole),
        "Milliseconds: medians over the shoppers, with a tenth of them below and above. Ratios: of the medians, with "
        "a 95 % interval over the shoppers (paired bootstrap).",
        f"![Milliseconds of a shopper by system]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands after the goals."""
    systems = {row["system"] for row in whole["results"]}
    without = [] if "litert" in systems else ["LiteRT was not installed: it was not asked."]
    return [*without, "ONNX Runtime was not asked.", f"All figures: [{name}.json]({name}.json)."]


def table(whole: dict[str, Any]) -> str:
    """Markdown: a line a system."""
    found = {(row["system"], row["metric"]): row for row in whole["results"]}
    rows = [["system", "ms", "times `numpy`", "of its top 20"], ["---"] * 4]
    for system in dict.fromkeys(row["system"] for row in whole["results"]):
        agreement = found.get((system, "top_20_agreement"))
        ratio = _cell(found.get((system, "times_numpy")))
        same = "" if agreement is None else f"{agreement['value']:.3%}"
        rows.append([f"`{system}`", _cell(found[system, "milliseconds"]), ratio, same])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{row['value']:.3g} ({row['low']:.3g} to {row['high']:.3g})"
