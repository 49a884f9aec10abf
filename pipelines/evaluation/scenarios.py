"""The figures of every scenario beside recommendations, each against the plain way to do the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.domain import History
from pipelines.evaluation.complements import measure_complements
from pipelines.evaluation.folds import Moment
from pipelines.evaluation.measure import Truth
from pipelines.evaluation.new_items import measure_new
from pipelines.evaluation.responses import foretell, measure_responses, read_campaigns
from pipelines.evaluation.searches import measure_searches
from pipelines.evaluation.shop_lists import measure_order
from pipelines.features.histories import Histories
from pipelines.params import EvaluateCandidate, Promotions
from pipelines.ranking.blended import BlendedRecommender
from pipelines.ranking.item_search import ItemSearch
from pipelines.ranking.new_arrivals import NewArrivals
from pipelines.tables import read_table

POPULARITY = "popularity"
ASKED = {
    "complements": ("baskets", "half of each basket and whose it is ask for the other half"),
    "similar_items": ("baskets", "one item of each basket asks for the others"),
    "rank": ("lists", "lists of a shop's own in a shopper's order"),
    "new_arrivals": ("households", "what is new to the shop and to the household, among what it bought"),
    "search": ("searches", "the words of its type look for what was bought"),
    "promotions": ("pairs", "who redeems each campaign, foretold as it began"),
}
"""Of each scenario, what is counted, and what is asked, in words."""


BESIDE = ("above", "campaigns", "redeemed", "running", "said")
"""What stands beside the metrics of a scenario."""


def measure_scenarios(
    bundle: Path,
    fold: str,
    asked: Histories,
    moment: Moment,
    truth: Truth,
    params: EvaluateCandidate,
    promotions: Promotions,
) -> dict[str, dict[str, object]]:
    """Figures by scenario.

    Args:
        bundle: Of the candidate.
        fold: Whose baskets are completed.
        asked: Histories of the households that bought something.
        moment: At which they are asked.
        truth: What they bought.
        params: Samples and seed of the intervals.
        promotions: How responses to campaigns are learned.
    """
    model = BlendedRecommender.load(bundle)
    drawing = params.bootstrap_samples, params.seed
    return {
        "complements": _complements(model, fold, asked, moment.at_us, *drawing),
        "similar_items": _similar_items(model, fold, *drawing),
        "rank": _shop_lists(model, asked, moment.at_us, truth, *drawing),
        "new_arrivals": _new_arrivals(model, asked, moment.at_us, truth, *drawing),
        "search": _searches(ItemSearch.load(bundle, model), asked, moment.at_us, truth, *drawing),
        "promotions": _promotions(fold, moment, promotions, params.seed),
    }


def scenario_lines(scenarios: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The figures for a person, one scenario a line."""
    lines = []
    for scenario, found in scenarios.items():
        counted, words = ASKED[scenario]
        if "said" in found:
            lines.append(f"{words}: {found['said']}")
        for metric in (name for name in found if name not in (counted, *BESIDE)):
            figures = ", ".join(f"{name} {one['mean']:.4f}" for name, one in found[metric].items())
            lines.append(f"{words}, {found[counted]:,} {counted}: {metric} of {figures}")
    return lines


def _complements(
    model: BlendedRecommender, fold: str, asked: Histories, now: int, samples: int, seed: int
) -> dict[str, object]:
    baskets = read_table(Path("data/split") / f"{fold}_baskets.parquet")
    known = {history.user_id: history for history in asked}
    rankers = {
        "complements": lambda user, half, k: model.complements(half, k, None, known.get(user), now),
        "basket_alone": lambda _, half, k: model.complements(half, k),
        "taste_alone": lambda user, half, k: (
            model.recommend(known[user], now, k, model.without(half))
            if user in known
            else model.popular(k, model.without(half))
        ),
        POPULARITY: lambda _, half, k: model.popular(k, model.without(half)),
    }
    return measure_complements(rankers, baskets, samples, seed)


def _similar_items(model: BlendedRecommender, fold: str, samples: int, seed: int) -> dict[str, object]:
    baskets = read_table(Path("data/split") / f"{fold}_baskets.parquet")
    rankers = {
        "similar_items": lambda _, one, k: model.similar(one[0], k),
        POPULARITY: lambda _, one, k: model.popular(k, model.without(one)),
    }
    return measure_complements(rankers, baskets, samples, seed, asking=1)


def _shop_lists(
    model: BlendedRecommender, asked: Histories, now: int, truth: Truth, samples: int, seed: int
) -> dict[str, object]:
    orders = {
        "rank": lambda history, items: model.rank(history, now, items),
        POPULARITY: lambda history, items: model.rank(_stranger(history), now, items),
    }
    return measure_order(orders, list(asked), truth.bought, model.item_ids, model.popularity, samples, seed)


def _new_arrivals(
    model: BlendedRecommender, asked: Histories, now: int, truth: Truth, samples: int, seed: int
) -> dict[str, object]:
    arrivals = NewArrivals(model)
    lists = {
        "new_arrivals": lambda history, k: arrivals.new_arrivals(history, now, k),
        POPULARITY: lambda history, k: model.popular(k, arrivals.new_to(history, now)),
    }
    return measure_new(lists, list(asked), truth.bought, arrivals, now, samples, seed)


def _searches(
    search: ItemSearch, asked: Histories, now: int, truth: Truth, samples: int, seed: int
) -> dict[str, object]:
    items = read_table(Path("data/validated/items.parquet"))
    words = dict(zip(items["item_id"].to_pylist(), items["type"].to_pylist(), strict=True))
    searches = {
        "search": lambda history, query, k: search.search(query, history, now, k),
        POPULARITY: lambda history, query, k: search.search(query, _stranger(history), now, k),
    }
    return measure_searches(searches, list(asked), truth.bought, words, samples, seed)


def _promotions(fold: str, moment: Moment, promotions: Promotions, seed: int) -> dict[str, object]:
    past = read_campaigns(fold, moment, promotions)
    running = sum(one.ends_us > moment.at_us for one in past.campaigns)
    told = f"{running} of {len(past.campaigns)} campaigns that have begun are running"
    found = measure_responses(foretell(past), promotions.bootstrap_samples, seed)
    if not found["redeemed"]:
        told += "; none was redeemed that began after another one had ended to learn from"
    return {**found, "running": running, "said": told}


def _stranger(history: History) -> History:
    return History.empty(history.user_id)
