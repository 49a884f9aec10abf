"""The feature views as a user of Polars writes them: lazy frames, each sunk to its file and scanned from there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.features.inputs import Inputs, all_views
from pipelines.features.views import read_view

WEEK_US = 604_800_000_000
DAY_US = 86_400_000_000
PAIR = ["item_id", "other_item_id"]
BASKET = ["user_id", "basket"]

Frame = pl.LazyFrame


@dataclass(frozen=True)
class Shop:
    """What the views read: the data sets as known at the moment, and the views made before."""

    events: Frame
    items: Frame
    promotions: Frame
    at_us: int
    week: int
    out: Path

    def view(self, name: str) -> Frame:
        """A view that was made before."""
        return pl.scan_parquet(self.out / f"{name}.parquet")

    @property
    def lines(self) -> Frame:
        """The view that nearly all others read."""
        return self.view("basket_lines")

    @property
    def recommendable(self) -> Frame:
        """Ids of the items that may be recommended."""
        return self.items.filter("recommendable").select("item_id")

    def since(self, weeks: int) -> pl.Expr:
        """Whether a row is of the last so many times 168 hours."""
        return pl.col("occurred_us") >= self.at_us - weeks * WEEK_US


def build(names: tuple[str, ...], inputs: Inputs) -> None:
    """Make every view and write it to ``inputs.folder/polars``, sorted by its key."""
    out = inputs.folder / "polars"
    out.mkdir(exist_ok=True)
    shop = read(inputs, out)
    for name in names:
        view = VIEWS[name](shop).sort(read_view(name).key)
        view.sink_parquet(out / f"{name}.parquet", compression="zstd")


def read(inputs: Inputs, out: Path) -> Shop:
    """Scan the files and say what is known at the moment."""
    at_us = inputs.at_us
    events = pl.scan_parquet(inputs.path("events")).with_columns(occurred_us=_micros("occurred_at"))
    events = events.filter(pl.col("occurred_us") < at_us, _micros("ingested_at") <= at_us)
    if "corrects" in events.collect_schema():
        corrected = events.select(event_id="corrects").drop_nulls()
        events = events.join(corrected, on="event_id", how="anti")
    promotions = pl.scan_parquet(inputs.path("promotions"))
    promotions = promotions.with_columns(starts_us=_micros("starts_at"), ends_us=_micros("ends_at"))
    promotions = promotions.filter(pl.col("starts_us") < at_us)
    return Shop(events, pl.scan_parquet(inputs.path("items")), promotions, at_us, inputs.week, out)


def _micros(moment: str) -> pl.Expr:
    return pl.col(moment).dt.epoch("us")


def _sum(column: str) -> pl.Expr:
    """A sum that is missing when all of its parts are."""
    return pl.when(pl.col(column).count() > 0).then(pl.col(column).sum())


def basket_lines(shop: Shop) -> Frame:
    bought = shop.events.filter(pl.col("event_type") == "purchase")
    bought = bought.with_columns(lone_us=pl.when(pl.col("basket_id").is_null()).then("occurred_us"))
    basket = ["user_id", "basket_id", "lone_us"]
    lines = bought.group_by(*basket, "item_id").agg(
        pl.col("occurred_us", "week").min(), quantity=_sum("quantity"), value=_sum("value")
    )
    baskets = lines.group_by(basket).agg(pl.col("occurred_us", "week").min())
    lines = lines.drop("occurred_us", "week").join(baskets, on=basket, nulls_equal=True)
    lines = lines.join(shop.recommendable, on="item_id", how="semi")
    order = ["occurred_us", "basket_id"]
    baskets = lines.select("user_id", "lone_us", *order).unique().sort(order, nulls_last=True)
    baskets = baskets.with_columns(basket=pl.int_range(pl.len(), dtype=pl.Int32).over("user_id"))
    lines = lines.join(baskets, on=["user_id", "lone_us", *order], nulls_equal=True)
    return lines.select("user_id", "basket", "item_id", "occurred_us", "week", "quantity", "value")


def households(shop: Shop) -> Frame:
    return shop.lines.group_by("user_id").agg(
        baskets=pl.col("basket").n_unique(),
        items=pl.col("item_id").n_unique(),
        lines=pl.len(),
        spend=_sum("value"),
        first_bought_us=pl.col("occurred_us").min(),
        last_bought_us=pl.col("occurred_us").max(),
    )


def household_items(shop: Shop) -> Frame:
    faded = pl.lit(0.9) ** ((shop.at_us - pl.col("occurred_us")) / WEEK_US)
    return shop.lines.group_by("user_id", "item_id").agg(
        baskets=pl.len(),
        first_bought_us=pl.col("occurred_us").min(),
        last_bought_us=pl.col("occurred_us").max(),
        decayed_baskets=faded.sum(),
    )


def item_popularity(shop: Shop) -> Frame:
    week = pl.col("week")
    buyers = {
        f"households_{weeks}w": pl.col("user_id").filter(week >= shop.week - weeks).n_unique()
        for weeks in (1, 4, 8)
    }
    return shop.lines.group_by("item_id").agg(
        **buyers,
        households=pl.col("user_id").n_unique(),
        baskets=pl.len(),
        recent_baskets=(pl.lit(0.7) ** (shop.week - 1 - week)).sum(),
        first_sold_us=pl.col("occurred_us").min(),
        last_sold_us=pl.col("occurred_us").max(),
        sellable=week.max() >= shop.week - 8,
    )


def basket_transitions(shop: Shop) -> Frame:
    earlier = shop.lines.filter(pl.col("week") >= shop.week - 26).select(*BASKET, "item_id")
    later = shop.lines.select("user_id", pl.col("basket") - 1, next_item_id="item_id")
    pairs = earlier.join(later, on=BASKET).group_by("item_id", "next_item_id").agg(transitions=pl.len())
    return pairs.filter(pl.col("transitions") >= 3)


def copurchases(shop: Shop) -> Frame:
    lines = shop.lines.filter(pl.col("week") >= shop.week - 26).select(*BASKET, "item_id")
    counts = lines.group_by("item_id").agg(baskets=pl.len()).filter(pl.col("baskets") >= 5)
    lines = lines.join(counts, on="item_id", how="semi")
    pairs = lines.join(lines.rename({"item_id": "other_item_id"}), on=BASKET)
    pairs = pairs.filter(pl.col("item_id") < pl.col("other_item_id")).group_by(PAIR).agg(support=pl.len())
    half = pairs.filter(pl.col("support") >= 3)
    both = pl.concat([half, half.select(item_id="other_item_id", other_item_id="item_id", support="support")])
    both = both.join(counts, on="item_id").join(
        counts.rename({"item_id": "other_item_id"}), on="other_item_id", suffix="_other"
    )
    product = pl.col("baskets").cast(pl.Float64) * pl.col("baskets_other")
    both = both.select(*PAIR, "support", strength=pl.col("support") / product.sqrt())
    order = {"by": ["strength", "other_item_id"], "descending": [True, False]}
    return both.sort(**order).group_by("item_id", maintain_order=True).head(20)


def household_windows(shop: Shop) -> Frame:
    baskets = shop.lines.group_by(*BASKET, "occurred_us").agg(lines=pl.len(), spend=pl.col("value").sum())
    sums: dict[str, pl.Expr] = {}
    for weeks in (4, 12, 52):
        recent = shop.since(weeks)
        sums[f"baskets_{weeks}w"] = recent.sum()
        sums[f"lines_{weeks}w"] = pl.col("lines").filter(recent).sum()
        sums[f"spend_{weeks}w"] = pl.col("spend").filter(recent).sum()
    first, last = pl.col("days_ago").max(), pl.col("days_ago").min()
    between = pl.when(pl.len() > 1).then((first - last) / (pl.len().cast(pl.Int64) - 1))
    baskets = baskets.with_columns(days_ago=(shop.at_us - pl.col("occurred_us")) / DAY_US)
    return baskets.group_by("user_id").agg(
        **sums, days_since_first=first, days_since_last=last, days_between_baskets=between
    )


def household_brands(shop: Shop) -> Frame:
    return _interest(shop, "brand")


def household_categories(shop: Shop) -> Frame:
    return _interest(shop, "category")


def _interest(shop: Shop, kind: str) -> Frame:
    bought = shop.view("household_items")
    whole = bought.group_by("user_id").agg(whole=pl.col("decayed_baskets").sum())
    bought = bought.join(shop.items.select("item_id", kind).drop_nulls(), on="item_id")
    view = bought.group_by("user_id", kind).agg(
        items=pl.len(),
        lines=pl.col("baskets").sum(),
        decayed_lines=pl.col("decayed_baskets").sum(),
        last_bought_us=pl.col("last_bought_us").max(),
    )
    view = view.join(whole, on="user_id").with_columns(interest=pl.col("decayed_lines") / pl.col("whole"))
    return view.drop("whole")


def _priced(shop: Shop) -> Frame:
    lines = shop.lines.filter(shop.since(52), pl.col("value") > 0, pl.col("quantity") > 0)
    return lines.with_columns(price=pl.col("value") / pl.col("quantity"))


def item_prices(shop: Shop) -> Frame:
    last = pl.col("occurred_us") == pl.col("occurred_us").max()
    view = (
        _priced(shop)
        .group_by("item_id")
        .agg(
            price_median=pl.col("price").median(),
            price_low=pl.col("price").min(),
            price_high=pl.col("price").max(),
            price_last=pl.col("value").filter(last).sum() / pl.col("quantity").filter(last).sum(),
        )
    )
    view = view.join(shop.items.select("item_id", "category"), on="item_id")
    categories = view.drop_nulls("category").group_by("category")
    categories = categories.agg(category_price=pl.col("price_median").median())
    view = view.join(categories, on="category", how="left").drop("category")
    return view.with_columns(relative_price=pl.col("price_median") / pl.col("category_price"))


def household_price_affinity(shop: Shop) -> Frame:
    prices = shop.view("item_prices").select("item_id", "category_price").drop_nulls()
    category_spend = (pl.col("quantity") * pl.col("category_price")).sum()
    return (
        _priced(shop)
        .join(prices, on="item_id")
        .group_by("user_id")
        .agg(
            lines=pl.len(),
            spend=pl.col("value").sum(),
            category_spend=category_spend,
            price_level=pl.col("value").sum() / category_spend,
            mean_log_price=(pl.col("price") / pl.col("category_price")).log().mean(),
        )
    )


def household_sequences(shop: Shop) -> Frame:
    last = shop.lines.group_by("user_id").agg(last=pl.col("basket").max())
    lines = shop.lines.join(last, on="user_id").with_columns(baskets_ago=pl.col("last") - pl.col("basket"))
    lines = lines.sort("user_id", "baskets_ago", "item_id")
    lines = lines.group_by("user_id", maintain_order=True).head(50)
    position = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("user_id")
    return lines.select("user_id", "item_id", "baskets_ago", "occurred_us", position=position)


def promotion_spans(shop: Shop) -> Frame:
    placed = shop.promotions.join(shop.recommendable, on="item_id", how="semi")
    placed = placed.sort("item_id", "starts_us", "ends_us", "promotion_id")
    reached = pl.col("ends_us").cum_max().shift().over("item_id")
    spans = placed.select("item_id", from_us=pl.max_horizontal("starts_us", reached), until_us="ends_us")
    return spans.filter(pl.col("until_us") > pl.col("from_us"))


def _promoted(shop: Shop, lines: Frame) -> Frame:
    pairs = lines.select("user_id", "item_id", "occurred_us").join(shop.view("promotion_spans"), on="item_id")
    return pairs.filter(pl.col("occurred_us").is_between("from_us", "until_us", closed="left"))


def household_promotions(shop: Shop) -> Frame:
    redemptions = shop.events.filter(pl.col("event_type") == "redemption").group_by("user_id")
    redemptions = redemptions.agg(
        redemptions=pl.len(),
        campaigns_redeemed=pl.col("campaign_id").drop_nulls().n_unique(),
        last_redeemed_us=pl.col("occurred_us").max(),
    )
    lines = shop.lines.filter(shop.since(52))
    bought = lines.group_by("user_id").agg(lines=pl.len())
    promoted = _promoted(shop, lines).group_by("user_id").agg(promoted_lines=pl.len())
    bought = bought.join(promoted, on="user_id", how="left").with_columns(
        pl.col("promoted_lines").fill_null(0)
    )
    bought = bought.with_columns(promoted_share=pl.col("promoted_lines") / pl.col("lines"))
    overall = pl.col("promoted_lines").sum() / pl.col("lines").sum()
    lift = pl.when(overall > 0).then(pl.col("promoted_share") / overall)
    view = (
        shop.view("households").select("user_id").join(redemptions, on="user_id", how="full", coalesce=True)
    )
    view = view.join(bought.with_columns(promotion_lift=lift), on="user_id", how="left")
    view = view.join(_discounts(shop), on="user_id", how="left")
    return view.with_columns(
        pl.col("redemptions", "campaigns_redeemed", "lines", "promoted_lines").fill_null(0)
    )


def _discounts(shop: Shop) -> Frame:
    purchases = shop.events.filter(pl.col("event_type") == "purchase", shop.since(52))
    purchases = purchases.join(shop.recommendable, on="item_id", how="semi")
    discount = pl.col("discount").fill_null(0)
    full = (pl.col("value").fill_null(0) + discount).sum()
    return purchases.group_by("user_id").agg(
        discounted_share=(discount > 0).mean(),
        discount_rate=pl.when(full > 0).then(discount.sum() / full),
    )


def item_promotions(shop: Shop) -> Frame:
    running = pl.col("ends_us") > shop.at_us
    view = shop.promotions.join(shop.recommendable, on="item_id", how="semi").group_by("item_id")
    view = view.agg(
        campaigns_running=pl.col("campaign_id").filter(running).n_unique(),
        coupons_running=pl.col("coupon_id").filter(running).n_unique(),
        campaigns=pl.col("campaign_id").n_unique(),
        ends_us=pl.col("ends_us").max(),
    )
    sold = shop.view("item_popularity").select("item_id", "baskets", "first_sold_us")
    promoted = _promoted(shop, shop.lines).group_by("item_id").agg(promoted_lines=pl.len())
    for other in (sold, _weeks_on_promotion(shop, sold), promoted):
        view = view.join(other, on="item_id", how="left")
    view = view.with_columns(pl.col("promoted_weeks", "promoted_lines", "baskets").fill_null(0))
    view = view.with_columns(
        on_promotion=pl.col("campaigns_running") > 0,
        other_lines=pl.col("baskets").cast(pl.Int64) - pl.col("promoted_lines"),
    )
    weeks = (shop.at_us - pl.col("first_sold_us")) / WEEK_US
    without = pl.col("promoted_lines") * (weeks - pl.col("promoted_weeks"))
    lift = without / (pl.col("promoted_weeks") * pl.col("other_lines"))
    comparable = (pl.col("promoted_weeks") > 0) & (pl.col("other_lines") > 0)
    return view.with_columns(lift=pl.when(comparable).then(lift)).drop("baskets", "first_sold_us")


def _weeks_on_promotion(shop: Shop, sold: Frame) -> Frame:
    start = pl.max_horizontal("from_us", "first_sold_us")
    end = pl.min_horizontal("until_us", pl.lit(shop.at_us))
    spans = shop.view("promotion_spans").join(sold, on="item_id").filter(end > start)
    return spans.group_by("item_id").agg(promoted_weeks=((end - start) / WEEK_US).sum())


def item_trends(shop: Shop) -> Frame:
    recent = shop.at_us - 4 * WEEK_US
    view = shop.view("household_items").group_by("item_id")
    view = view.agg(
        weeks_since_first_sold=(shop.at_us - pl.col("first_bought_us").min()) / WEEK_US,
        buyers_4w=(pl.col("last_bought_us") >= recent).sum(),
        new_buyers_4w=(pl.col("first_bought_us") >= recent).sum(),
        repeat_share=(pl.col("baskets") >= 2).mean(),
    )
    weeks_ago = (shop.at_us - 1 - pl.col("occurred_us")) // WEEK_US
    weekly = shop.lines.filter(shop.since(8)).select("item_id", "user_id", weeks_ago=weeks_ago).unique()
    weekly = weekly.group_by("item_id").agg(
        lately=(pl.col("weeks_ago") < 4).sum(), before=(pl.col("weeks_ago") >= 4).sum()
    )
    view = view.join(weekly, on="item_id", how="left").with_columns(pl.col("lately", "before").fill_null(0))
    share = pl.when(pl.col("buyers_4w") > 0).then(pl.col("new_buyers_4w") / pl.col("buyers_4w"))
    return view.with_columns(
        weekly_buyers=pl.col("lately") / 4,
        weekly_buyers_before=pl.col("before") / 4,
        growth=(pl.col("lately") + 1) / (pl.col("before") + 1),
        new_buyer_share=share,
    ).drop("lately", "before")


VIEWS: dict[str, Callable[[Shop], Frame]] = {name: globals()[name] for name in all_views()}
