"""What the page of this benchmark says beside its goals."""

from typing import Any

from benchmarks.next_basket.report import NEW, table, weekly

TEXT = """
For each of the last weeks a household's purchases of that week are foretold from the weeks before it. All that the
product fits is fitted by its own stages, in a workspace of that week's: features, baselines and the sequence model as
known at the start of the week before; on that week the weights of the blend are learned; then the parts are fitted
anew as known at the start of the week itself, and judged on it. The catalog, the households and the promotions are
those that were known then.

`tifu_knn` is TIFU-kNN (Hu and others, SIGIR 2020): its five parameters are chosen for each week on the week before,
from a grid around what its paper found best. `blend_without_sequence` is the blend learned without its neural part.

All sellable items are ranked, a target stands behind everything that scores the same. `repeats` counts only what the
household had bought before, `new items` only what it had not, both in the same list of ten; `list of new items only` is
the list without all that the household had bought before. A household with no such item in a week is not counted in it;
the goal for new items is of the last kind, as new items seldom reach the first ten of a list with repeats.
Intervals are 95 % by bootstrap over households, with all of their weeks together.
"""


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:
    """Heading of the page."""
    return f"Next week's basket: {whole['data']['name']}"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    data = whole["data"]
    minutes = sum(line["seconds"] for line in whole["resources"]) / 60
    return [
        TEXT.strip(),
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}; {minutes:.0f} minutes of stages. Weeks "
        f"{data['weeks'][0]} to {data['weeks'][-1]}: {data['household_weeks']:,} baskets of a week, "
        f"{data['households']:,} households. NDCG@10:",
        table(whole),
        f"![NDCG@10 by system]({name}.png)",
    ]


def details(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands after the goals."""
    rows = [row for row in whole["comparisons"] if row["metric"] == "ndcg_at_10"]
    gains = "\n".join(
        f"- {row['system']}: {row['value']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})" for row in rows
    )
    return [
        "## Differences, all items",
        gains,
        "## Week by week, all items",
        weekly(whole, "ndcg_at_10"),
        "## Week by week, lists of new items only",
        weekly(whole, NEW),
        "What was chosen for TIFU-kNN, the weights of the blends and the seconds of each stage: "
        f"[{name}.json]({name}.json).",
    ]
