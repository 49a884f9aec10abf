"""What the page of the benchmark of promotions says beside its goals."""

from typing import Any

from benchmarks.next_basket.report import markdown
from pipelines.evaluation.responses import METRICS, OWN_RATE, RESPONSE

TEXT = """
Each campaign is foretold from the campaigns that had ended when it began: who redeemed them, and what everybody had
bought, as known then. `response` is the model that a bundle carries; it learns of all shoppers, since what a shop
lands does not say who was sent a campaign. `response_of_the_sent` learns of those who were sent one, and tells what
that would bring. The peers are the rate of the campaign's type and the shopper's own rate of earlier campaigns.

`auc` is over all pairs of a shopper and a campaign, `auc_within` over the shoppers of each campaign, and
`precision_at_10` is the share of a campaign's ten best shoppers that redeemed it, mean over campaigns; among equal
scores, who redeemed stands last, so that the rate of the type, which is the same for all, has none. The figures that
count are those of the households that were sent the campaign: among all households, most of the work is to tell who
was sent it. A campaign that runs beyond the data counts with those who had redeemed by its end. Intervals are 95 % by
bootstrap over households. Nobody was left out at random, so that none of this says what a campaign brings.
"""

SPLITS = {"sent": "Among those who were sent it", "all": "Among all households"}


def file_name(whole: dict[str, Any]) -> str:
    """Name of the page and of what lies beside it."""
    return str(whole["benchmark"])


def title(whole: dict[str, Any]) -> str:
    """Heading of the page."""
    return f"Who redeems a campaign: {whole['data']['name']}"


def measured(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands before the goals."""
    parts = [
        TEXT.strip(),
        f"`{whole['command']}`, {whole['created_at'][:10]}: {whole['machine']}; "
        f"{whole['resources'][0]['seconds']:.0f} seconds beside other work. Of {whole['data']['campaigns']} campaigns "
        f"{len(whole['campaigns'])} began after one had ended to learn from, and were redeemed.",
    ]
    for split, words in SPLITS.items():
        counted = whole["pairs"][split]
        parts += [
            f"{words}: {counted['pairs']:,} pairs of household and campaign, {counted['redeemed']:,} redeemed.",
            table(whole, split),
        ]
    return [*parts, f"![AUC of each campaign]({name}.png)"]


def details(name: str, whole: dict[str, Any]) -> list[str]:
    """What stands after the goals."""
    head = [
        "campaign",
        "sent",
        "redeemed",
        f"AUC, {RESPONSE}",
        f"AUC, {OWN_RATE}",
        "precision@10",
        "of own_rate",
    ]
    rows = [
        [row["campaign_id"], f"{row['shoppers']:,}", str(row["redeemed"])]
        + [
            _span(row[metric][system])
            for metric in ("auc", "precision_at_10")
            for system in (RESPONSE, OWN_RATE)
        ]
        for row in whole["campaigns"]
    ]
    return [
        "## Campaign by campaign, among those who were sent it",
        markdown([head, *rows]),
        f"All figures: [{name}.json]({name}.json).",
    ]


def table(whole: dict[str, Any], split: str) -> str:
    """Markdown: a line a system."""
    found = {(row["system"], row["metric"]): row for row in whole["results"] if row["split"] == split}
    systems = list(dict.fromkeys(name for name, _ in found))
    body = [
        [name, *(_span({"mean": found[name, metric]["value"]} | found[name, metric]) for metric in METRICS)]
        for name in systems
    ]
    return markdown([["system", *METRICS], *body])


def _span(figure: dict[str, Any]) -> str:
    return f"{figure['mean']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
