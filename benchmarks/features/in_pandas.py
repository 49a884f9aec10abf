"""The feature views as a user of pandas writes them who knows that it is slow with texts.

Ids are factorised once, so that every group-by and merge is of integers; their texts come back when a view is written.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from benchmarks.features.inputs import Inputs, all_views
from pipelines.features.views import read_view

WEEK_US = 604_800_000_000
DAY_US = 86_400_000_000
PAIR = ["item_id", "other_item_id"]
BASKET = ["user_id", "basket"]

Frame = pd.DataFrame


@dataclass
class Shop:
    """What the views read: the data sets as known at the moment, and the views made before.

    Attributes:
        ids: Sorted texts of ``user_id`` and ``item_id``; the frames hold positions in them.
    """

    ids: dict[str, pd.Index]
    events: Frame
    items: Frame
    promotions: Frame
    at_us: int
    week: int
    views: dict[str, Frame] = field(default_factory=dict)

    @property
    def lines(self) -> Frame:
        """The view that nearly all others read."""
        return self.views["basket_lines"]

    def since(self, weeks: int) -> Frame:
        """Lines of the last so many times 168 hours."""
        return self.lines[self.lines.occurred_us >= self.at_us - weeks * WEEK_US]

    def with_texts(self, view: Frame) -> Frame:
        """The view with the texts of its ids."""
        kinds = {name: name if name == "user_id" else "item_id" for name in view if name.endswith("_id")}
        return view.assign(**{name: self.ids[kind].take(view[name]) for name, kind in kinds.items()})


def build(names: tuple[str, ...], inputs: Inputs) -> None:
    """Make every view and write it to ``inputs.folder/pandas``, sorted by its key."""
    out = inputs.folder / "pandas"
    out.mkdir(exist_ok=True)
    shop = read(inputs)
    for name in names:
        view = VIEWS[name](shop).sort_values(list(read_view(name).key), ignore_index=True)
        shop.with_texts(view).to_parquet(out / f"{name}.parquet", index=False, compression="zstd")
        shop.views[name] = view


def read(inputs: Inputs) -> Shop:
    """Read the files and say what is known at the moment; an event of an item outside the catalog has item -1."""
    items = pd.read_parquet(inputs.path("items")).sort_values("item_id", ignore_index=True)
    events = _known(pd.read_parquet(inputs.path("events")), inputs.at_us)
    users, user_ids = pd.factorize(events.user_id, sort=True)
    ids = {"user_id": user_ids, "item_id": pd.Index(items.item_id)}
    events = events.assign(user_id=users, item_id=ids["item_id"].get_indexer(events.item_id))
    promotions = pd.read_parquet(inputs.path("promotions"))
    promotions["item_id"] = ids["item_id"].get_indexer(promotions.item_id)
    promotions["starts_us"] = _micros(promotions.starts_at)
    promotions["ends_us"] = _micros(promotions.ends_at)
    promotions = promotions[promotions.starts_us < inputs.at_us]
    return Shop(ids, events, items.assign(item_id=items.index), promotions, inputs.at_us, inputs.week)


def _known(events: Frame, at_us: int) -> Frame:
    events["occurred_us"] = _micros(events.occurred_at)
    events = events[(events.occurred_us < at_us) & (_micros(events.ingested_at) <= at_us)]
    if "corrects" in events:
        events = events[~events.event_id.isin(events.corrects.dropna())]
    return events


def _micros(moments: pd.Series) -> pd.Series:
    return moments.dt.as_unit("us").astype("int64")


def basket_lines(shop: Shop) -> Frame:
    bought = shop.events[shop.events.event_type == "purchase"]
    bought = bought.assign(lone_us=bought.occurred_us.where(bought.basket_id.isna(), 0))
    basket = ["user_id", "basket_id", "lone_us"]
    grouped = bought.groupby([*basket, "item_id"], dropna=False, sort=False)
    lines = grouped.agg(occurred_us=("occurred_us", "min"), week=("week", "min"))
    lines[["quantity", "value"]] = grouped[["quantity", "value"]].sum(min_count=1)
    lines = lines.reset_index()
    whole = lines.groupby(basket, dropna=False, sort=False)
    lines[["occurred_us", "week"]] = whole[["occurred_us", "week"]].transform("min")
    lines = lines[lines.item_id.isin(shop.items.item_id[shop.items.recommendable])]
    lines = lines.sort_values(["user_id", "occurred_us", "basket_id"])
    opens = ~lines.duplicated(["user_id", "occurred_us", "basket_id"])
    lines["basket"] = opens.groupby(lines.user_id).cumsum().astype("int32") - 1
    return lines[["user_id", "basket", "item_id", "occurred_us", "week", "quantity", "value"]]


def households(shop: Shop) -> Frame:
    grouped = shop.lines.groupby("user_id")
    view = grouped.agg(
        baskets=("basket", "nunique"),
        items=("item_id", "nunique"),
        lines=("basket", "size"),
        first_bought_us=("occurred_us", "min"),
        last_bought_us=("occurred_us", "max"),
    )
    return view.assign(spend=grouped["value"].sum(min_count=1)).reset_index()


def household_items(shop: Shop) -> Frame:
    faded = 0.9 ** ((shop.at_us - shop.lines.occurred_us) / WEEK_US)
    grouped = shop.lines.assign(faded=faded).groupby(["user_id", "item_id"])
    return grouped.agg(
        baskets=("faded", "size"),
        first_bought_us=("occurred_us", "min"),
        last_bought_us=("occurred_us", "max"),
        decayed_baskets=("faded", "sum"),
    ).reset_index()


def item_popularity(shop: Shop) -> Frame:
    lines, week = shop.lines, shop.week
    grouped = lines.assign(faded=0.7 ** (week - 1 - lines.week)).groupby("item_id")
    view = grouped.agg(
        households=("user_id", "nunique"),
        baskets=("faded", "size"),
        recent_baskets=("faded", "sum"),
        first_sold_us=("occurred_us", "min"),
        last_sold_us=("occurred_us", "max"),
        sellable=("week", "max"),
    )
    for weeks in (1, 4, 8):
        recent = lines[lines.week >= week - weeks].groupby("item_id").user_id.nunique()
        view[f"households_{weeks}w"] = recent.reindex(view.index, fill_value=0)
    return view.assign(sellable=view.sellable >= week - 8).reset_index()


def basket_transitions(shop: Shop) -> Frame:
    later = shop.lines[[*BASKET, "item_id"]].rename(columns={"item_id": "next_item_id"})
    later["basket"] -= 1
    earlier = shop.lines.loc[shop.lines.week >= shop.week - 26, [*BASKET, "item_id"]]
    pairs = earlier.merge(later, on=BASKET).groupby(["item_id", "next_item_id"]).size()
    return pairs[pairs >= 3].reset_index(name="transitions")


def copurchases(shop: Shop) -> Frame:
    lines = shop.lines.loc[shop.lines.week >= shop.week - 26, [*BASKET, "item_id"]]
    counts = lines.item_id.value_counts()
    lines = lines[lines.item_id.isin(counts.index[counts >= 5])]
    pairs = lines.merge(lines.rename(columns={"item_id": "other_item_id"}), on=BASKET)
    pairs = pairs[pairs.item_id < pairs.other_item_id].groupby(PAIR).size()
    half = pairs[pairs >= 3].reset_index(name="support")
    both = pd.concat([half, half.rename(columns=dict(zip(PAIR, PAIR[::-1], strict=True)))])
    one, other = (both[name].map(counts).astype(float) for name in PAIR)
    both["strength"] = both.support / np.sqrt(one * other)
    both = both.sort_values(["item_id", "strength", "other_item_id"], ascending=[True, False, True])
    return both.groupby("item_id").head(20)[[*PAIR, "support", "strength"]]


def household_windows(shop: Shop) -> Frame:
    baskets = shop.lines.groupby([*BASKET, "occurred_us"], as_index=False)
    baskets = baskets.agg(lines=("value", "size"), spend=("value", "sum"))
    baskets["days_ago"] = (shop.at_us - baskets.occurred_us) / DAY_US
    grouped = baskets.groupby("user_id").days_ago
    first, last = grouped.max(), grouped.min()
    between = (first - last) / (grouped.size() - 1).replace(0, np.nan)
    view = pd.DataFrame({"days_since_first": first, "days_since_last": last, "days_between_baskets": between})
    for weeks in (4, 12, 52):
        recent = baskets[baskets.occurred_us >= shop.at_us - weeks * WEEK_US]
        sums = recent.groupby("user_id").agg(
            baskets=("lines", "size"), lines=("lines", "sum"), spend=("spend", "sum")
        )
        view = view.join(sums.reindex(view.index, fill_value=0).add_suffix(f"_{weeks}w"))
    return view.reset_index()


def household_brands(shop: Shop) -> Frame:
    return _interest(shop, "brand")


def household_categories(shop: Shop) -> Frame:
    return _interest(shop, "category")


def _interest(shop: Shop, kind: str) -> Frame:
    bought = shop.views["household_items"].merge(shop.items[["item_id", kind]], on="item_id")
    whole = bought.groupby("user_id").decayed_baskets.sum()
    view = bought.groupby(["user_id", kind], as_index=False).agg(
        items=("item_id", "size"),
        lines=("baskets", "sum"),
        decayed_lines=("decayed_baskets", "sum"),
        last_bought_us=("last_bought_us", "max"),
    )
    return view.assign(interest=view.decayed_lines / view.user_id.map(whole).astype(float))


def _priced(shop: Shop) -> Frame:
    lines = shop.since(52)
    lines = lines[(lines.value > 0) & (lines.quantity > 0)]
    return lines.assign(price=lines.value / lines.quantity)


def item_prices(shop: Shop) -> Frame:
    priced = _priced(shop)
    grouped = priced.groupby("item_id")
    view = grouped.price.agg(price_median="median", price_low="min", price_high="max").reset_index()
    last = priced[priced.occurred_us == grouped.occurred_us.transform("max")]
    paid = last.groupby("item_id")[["value", "quantity"]].sum()
    view = view.merge((paid.value / paid.quantity).rename("price_last"), on="item_id")
    view = view.merge(shop.items[["item_id", "category"]], on="item_id")
    view["category_price"] = view.groupby("category").price_median.transform("median")
    view["relative_price"] = view.price_median / view.category_price
    return view.drop(columns="category")


def household_price_affinity(shop: Shop) -> Frame:
    prices = shop.views["item_prices"][["item_id", "category_price"]].dropna()
    priced = _priced(shop).merge(prices, on="item_id")
    priced["category_spend"] = priced.quantity * priced.category_price
    priced["log_price"] = np.log(priced.price / priced.category_price)
    view = priced.groupby("user_id").agg(
        lines=("price", "size"),
        spend=("value", "sum"),
        category_spend=("category_spend", "sum"),
        mean_log_price=("log_price", "mean"),
    )
    return view.assign(price_level=view.spend / view.category_spend).reset_index()


def household_sequences(shop: Shop) -> Frame:
    lines = shop.lines.sort_values(["user_id", "basket", "item_id"], ascending=[True, False, True])
    lines = lines.groupby("user_id").head(50)
    grouped = lines.groupby("user_id")
    lines["position"] = (grouped.cumcount() + 1).astype("int32")
    lines["baskets_ago"] = grouped.basket.transform("max") - lines.basket
    return lines[["user_id", "position", "item_id", "baskets_ago", "occurred_us"]]


def promotion_spans(shop: Shop) -> Frame:
    recommendable = shop.items.item_id[shop.items.recommendable]
    placed = shop.promotions[shop.promotions.item_id.isin(recommendable)]
    placed = placed.sort_values(["item_id", "starts_us", "ends_us", "promotion_id"])
    reached = placed.groupby("item_id").ends_us.cummax()
    reached = reached.groupby(placed.item_id).shift(fill_value=0)
    spans = placed.assign(from_us=np.maximum(reached, placed.starts_us), until_us=placed.ends_us)
    return spans.loc[spans.until_us > spans.from_us, ["item_id", "from_us", "until_us"]]


def _promoted(shop: Shop, lines: Frame) -> Frame:
    pairs = lines[["user_id", "item_id", "occurred_us"]].merge(shop.views["promotion_spans"], on="item_id")
    return pairs[(pairs.occurred_us >= pairs.from_us) & (pairs.occurred_us < pairs.until_us)]


def household_promotions(shop: Shop) -> Frame:
    redeemed = shop.events[shop.events.event_type == "redemption"].groupby("user_id")
    view = redeemed.agg(
        redemptions=("event_id", "size"),
        campaigns_redeemed=("campaign_id", "nunique"),
        last_redeemed_us=("occurred_us", "max"),
    )
    view = view.reindex(view.index.union(shop.views["households"].user_id))
    lines = shop.since(52)
    view["lines"] = lines.groupby("user_id").size()
    promoted = _promoted(shop, lines).groupby("user_id").size()
    view["promoted_lines"] = promoted.reindex(view.index).fillna(0)
    view["promoted_share"] = view.promoted_lines / view.lines
    overall = view.promoted_lines.sum() / view.lines.sum()
    view["promotion_lift"] = view.promoted_share / (overall or np.nan)
    view = view.join(_discounts(shop))
    counts = ["redemptions", "campaigns_redeemed", "lines", "promoted_lines"]
    view[counts] = view[counts].fillna(0).astype("int64")
    view["last_redeemed_us"] = view.last_redeemed_us.astype("Int64")
    return view.rename_axis("user_id").reset_index()


def _discounts(shop: Shop) -> Frame:
    recommendable = shop.items.item_id[shop.items.recommendable]
    events = shop.events[shop.events.item_id.isin(recommendable) & (shop.events.event_type == "purchase")]
    events = events[events.occurred_us >= shop.at_us - 52 * WEEK_US]
    discount = events.discount.fillna(0)
    grouped = events.assign(discount=discount, full=events.value.fillna(0) + discount, any=discount > 0)
    sums = grouped.groupby("user_id").agg(
        any=("any", "mean"), discount=("discount", "sum"), full=("full", "sum")
    )
    rate = (sums.discount / sums.full).where(sums.full > 0)
    return pd.DataFrame({"discounted_share": sums["any"], "discount_rate": rate})


def item_promotions(shop: Shop) -> Frame:
    recommendable = shop.items.item_id[shop.items.recommendable]
    promotions = shop.promotions[shop.promotions.item_id.isin(recommendable)]
    view = promotions.groupby("item_id").agg(campaigns=("campaign_id", "nunique"), ends_us=("ends_us", "max"))
    running = promotions[promotions.ends_us > shop.at_us].groupby("item_id")
    running = running.agg(
        campaigns_running=("campaign_id", "nunique"), coupons_running=("coupon_id", "nunique")
    )
    view = view.join(running.reindex(view.index, fill_value=0))
    view["on_promotion"] = view.campaigns_running > 0
    popularity = shop.views["item_popularity"].set_index("item_id").reindex(view.index)
    view["promoted_weeks"] = _weeks_on_promotion(shop).reindex(view.index, fill_value=0.0)
    promoted = _promoted(shop, shop.lines).groupby("item_id").size()
    view["promoted_lines"] = promoted.reindex(view.index, fill_value=0)
    view["other_lines"] = popularity.baskets.fillna(0).astype("int64") - view.promoted_lines
    weeks = (shop.at_us - popularity.first_sold_us) / WEEK_US
    lift = view.promoted_lines * (weeks - view.promoted_weeks) / (view.promoted_weeks * view.other_lines)
    view["lift"] = lift.where((view.promoted_weeks > 0) & (view.other_lines > 0))
    return view.reset_index()


def _weeks_on_promotion(shop: Shop) -> pd.Series:
    sold = shop.views["item_popularity"][["item_id", "first_sold_us"]]
    spans = shop.views["promotion_spans"].merge(sold, on="item_id")
    length = spans.until_us.clip(upper=shop.at_us) - np.maximum(spans.from_us, spans.first_sold_us)
    return (length[length > 0] / WEEK_US).groupby(spans.item_id).sum()


def item_trends(shop: Shop) -> Frame:
    bought, recent = shop.views["household_items"], shop.at_us - 4 * WEEK_US
    grouped = bought.assign(
        buyers_4w=bought.last_bought_us >= recent,
        new_buyers_4w=bought.first_bought_us >= recent,
        repeat_share=bought.baskets >= 2,
    ).groupby("item_id")
    view = grouped[["buyers_4w", "new_buyers_4w"]].sum()
    view["weeks_since_first_sold"] = (shop.at_us - grouped.first_bought_us.min()) / WEEK_US
    view["repeat_share"] = grouped.repeat_share.mean()
    view["new_buyer_share"] = view.new_buyers_4w / view.buyers_4w.replace(0, np.nan)
    lines = shop.since(8)
    weeks_ago = (shop.at_us - 1 - lines.occurred_us) // WEEK_US
    weekly = lines.assign(weeks_ago=weeks_ago)[["item_id", "user_id", "weeks_ago"]].drop_duplicates()
    lately, before = (
        weekly[chosen].groupby("item_id").size().reindex(view.index, fill_value=0)
        for chosen in (weekly.weeks_ago < 4, weekly.weeks_ago >= 4)
    )
    view = view.assign(weekly_buyers=lately / 4, weekly_buyers_before=before / 4)
    return view.assign(growth=(lately + 1) / (before + 1)).reset_index()


VIEWS: dict[str, Callable[[Shop], Frame]] = {name: globals()[name] for name in all_views()}
