"""Published results on a test file that is known by its content: full catalog, nothing of the session left out."""

from dataclasses import dataclass
from typing import Any

from benchmarks.sessions.protocol import TEST

DIGINETICA = "42f9222be5717b5dc783ed3732f47cc0cd58bbacd8744815d06086cce3b6762c"


@dataclass(frozen=True)
class KnownFile:
    """A file that others have measured on, and what the blend is to reach on it.

    Attributes:
        name: Of the data.
        published: Hit rate and MRR in 20 places, by model.
        source: Where the figures stand.
        mrr_at_20: The goal.
    """

    name: str
    published: dict[str, tuple[float, float]]
    source: str
    mrr_at_20: float


KNOWN = {
    DIGINETICA: KnownFile(
        "Diginetica",
        {
            "GRU4Rec": (0.3079, 0.0822),
            "NARM": (0.4832, 0.1600),
            "SR-GNN": (0.5126, 0.1778),
            "GCE-GNN": (0.5422, 0.1904),
        },
        "as reported in GCE-GNN (SIGIR 2020)",
        mrr_at_20=0.195,
    )
}


def published_rows(sha256: str) -> list[dict[str, Any]]:
    """Result rows of what others reached on the same file; none for a file that is not known."""
    known = KNOWN.get(sha256)
    return [
        {
            "system": f"published: {model}",
            "split": TEST.split,
            "metric": metric,
            "value": value,
            "low": None,
            "high": None,
            "seeds": None,
            "trained_on": TEST.trained_on,
            "source": known.source,
        }
        for model, figures in (known.published if known else {}).items()
        for metric, value in zip(("recall_at_20", "mrr_at_20"), figures, strict=True)
    ]
