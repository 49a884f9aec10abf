"""Published results on files that are known by their content: full-catalog ranking, leave-one-out, test."""

from dataclasses import dataclass
from typing import Any

BEAUTY = "226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8"
SPORTS = "2a095e0648872beb9982408958290f5d655db5be2911c3756b5446de9f0b8de2"


@dataclass(frozen=True)
class Published:
    """One published model.

    Attributes:
        model: Its name.
        recall_at_10: Hit rate at 10.
        ndcg_at_10: None where the publication does not give it.
        trained_on: What was learned from.
        source: Where the figures stand.
    """

    model: str
    recall_at_10: float
    ndcg_at_10: float | None
    trained_on: str
    source: str


@dataclass(frozen=True)
class KnownFile:
    """A file that others have measured on, and what the blend is to reach on it."""

    name: str
    published: tuple[Published, ...]
    recall_at_10: float
    ndcg_at_10: float


S3_REC = ("all_but_last_two", "S3-Rec (CIKM 2020), table of the full ranking")
RECSYS_2025 = ("all_but_last", "transformer_benchmark (RecSys 2025)")
BSA_REC = ("all_but_last_two", "BSARec (AAAI 2024)")

KNOWN = {
    BEAUTY: KnownFile(
        "Amazon Beauty",
        (
            Published("popularity", 0.0152, 0.0068, *S3_REC),
            Published("GRU4Rec", 0.0283, 0.0137, *S3_REC),
            Published("BERT4Rec", 0.0347, 0.0170, *S3_REC),
            Published("SASRec", 0.0605, 0.0318, *S3_REC),
            Published("HSTU", 0.0788, 0.0439, *RECSYS_2025),
            Published("SASRec + sampled softmax", 0.0921, 0.0531, *RECSYS_2025),
            Published("eSASRec", 0.0928, 0.0523, *RECSYS_2025),
            Published("BSARec", 0.1008, 0.0611, *BSA_REC),
        ),
        recall_at_10=0.105,
        ndcg_at_10=0.066,
    ),
    SPORTS: KnownFile(
        "Amazon Sports",
        (
            Published("popularity", 0.0094, 0.0053, *S3_REC),
            Published("GRU4Rec", 0.0204, 0.0110, *S3_REC),
            Published("BERT4Rec", 0.0191, 0.0099, *S3_REC),
            Published("SASRec", 0.0350, 0.0192, *S3_REC),
            Published("HSTU", 0.0437, 0.0243, *RECSYS_2025),
            Published("SASRec + sampled softmax", 0.0569, 0.0314, *RECSYS_2025),
            Published("eSASRec", 0.0560, 0.0323, *RECSYS_2025),
            Published("BSARec", 0.0612, None, *BSA_REC),
        ),
        recall_at_10=0.066,
        ndcg_at_10=0.039,
    ),
}


def published_rows(sha256: str) -> list[dict[str, Any]]:
    """Result rows of what others reached on the same file; none for a file that is not known."""
    known = KNOWN.get(sha256)
    return [
        {
            "system": f"published: {one.model}",
            "split": "test",
            "metric": metric,
            "value": value,
            "low": None,
            "high": None,
            "seeds": None,
            "trained_on": one.trained_on,
            "source": one.source,
        }
        for one in (known.published if known else ())
        for metric, value in (("recall_at_10", one.recall_at_10), ("ndcg_at_10", one.ndcg_at_10))
        if value is not None
    ]
