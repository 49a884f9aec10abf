"""The feature views as a user of Spark writes them: the DataFrame API on this machine, view files read again."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 (as its users write it)

from benchmarks.features.inputs import Inputs, all_views
from pipelines.features.views import read_view

WEEK_US = 604_800_000_000
DAY_US = 86_400_000_000
PAIR = ["item_id", "other_item_id"]
BASKET = ["user_id", "basket"]


@dataclass(frozen=True)
class Shop:
    """What the views read: the data sets as known at the moment, and the views made before."""

    session: SparkSession
    events: DataFrame
    items: DataFrame
    promotions: DataFrame
    at_us: int
    week: int
    out: Path

    def view(self, name: str) -> DataFrame:
        """A view that was made before."""
        return self.session.read.parquet(str(self.out / f"{name}.parquet"))

    @property
    def lines(self) -> DataFrame:
        """The view that nearly all others read."""
        return self.view("basket_lines")

    @property
    def recommendable(self) -> DataFrame:
        """Ids of the items that may be recommended."""
        return self.items.filter("recommendable").select("item_id")

    def since(self, weeks: int) -> Column:
        """Whether a row is of the last so many times 168 hours."""
        return F.col("occurred_us") >= F.lit(self.at_us - weeks * WEEK_US)


@contextmanager
def open_session(memory: str, scratch: Path) -> Iterator[SparkSession]:
    """A session on all cores of this machine with the settings that its users set on one machine.

    Args:
        memory: Heap of the JVM, as Java writes it.
        scratch: Folder for what does not fit into it.
    """
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"--driver-memory {memory} pyspark-shell"
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(scratch),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "8",  # the default of 200 is for a cluster
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master("local[*]").appName("features")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()


def build(names: tuple[str, ...], inputs: Inputs, session: SparkSession) -> None:
    """Make every view and write it to ``inputs.folder/spark``, sorted by its key."""
    out = inputs.folder / "spark"
    shop = read(session, inputs, out)
    for name in names:
        view = VIEWS[name](shop).orderBy(*read_view(name).key)
        view.write.mode("overwrite").parquet(str(out / f"{name}.parquet"))


def read(session: SparkSession, inputs: Inputs, out: Path) -> Shop:
    """Say what is known at the moment."""
    events = session.read.parquet(str(inputs.path("events")))
    events = events.withColumn("occurred_us", F.unix_micros("occurred_at"))
    known = (F.col("occurred_us") < inputs.at_us) & (F.unix_micros("ingested_at") <= inputs.at_us)
    events = events.filter(known)
    if "corrects" in events.columns:
        events = events.join(events.select(F.col("corrects").alias("event_id")), "event_id", "left_anti")
    promotions = session.read.parquet(str(inputs.path("promotions")))
    promotions = promotions.withColumn("starts_us", F.unix_micros("starts_at"))
    promotions = promotions.withColumn("ends_us", F.unix_micros("ends_at"))
    promotions = promotions.filter(F.col("starts_us") < inputs.at_us)
    items = session.read.parquet(str(inputs.path("items")))
    return Shop(session, events, items, promotions, inputs.at_us, inputs.week, out)


def _count_if(condition: Column) -> Column:
    return F.count(F.when(condition, 1))


def basket_lines(shop: Shop) -> DataFrame:
    bought = shop.events.filter(F.col("event_type") == "purchase")
    lone = F.when(F.col("basket_id").isNull(), F.col("occurred_us"))
    lines = bought.groupBy("user_id", "basket_id", "item_id", lone.alias("lone_us")).agg(
        F.min("occurred_us").alias("occurred_us"),
        F.min("week").alias("week"),
        F.sum("quantity").alias("quantity"),
        F.sum("value").alias("value"),
    )
    basket = Window.partitionBy("user_id", "basket_id", "lone_us")
    lines = lines.withColumn("occurred_us", F.min("occurred_us").over(basket))
    lines = lines.withColumn("week", F.min("week").over(basket)).join(shop.recommendable, "item_id")
    order = Window.partitionBy("user_id").orderBy("occurred_us", F.col("basket_id").asc_nulls_last())
    lines = lines.withColumn("basket", F.dense_rank().over(order) - 1)
    return lines.select("user_id", "basket", "item_id", "occurred_us", "week", "quantity", "value")


def households(shop: Shop) -> DataFrame:
    return shop.lines.groupBy("user_id").agg(
        F.countDistinct("basket").alias("baskets"),
        F.countDistinct("item_id").alias("items"),
        F.count("*").alias("lines"),
        F.sum("value").alias("spend"),
        F.min("occurred_us").alias("first_bought_us"),
        F.max("occurred_us").alias("last_bought_us"),
    )


def household_items(shop: Shop) -> DataFrame:
    faded = F.pow(F.lit(0.9), (F.lit(shop.at_us) - F.col("occurred_us")) / WEEK_US)
    return shop.lines.groupBy("user_id", "item_id").agg(
        F.count("*").alias("baskets"),
        F.min("occurred_us").alias("first_bought_us"),
        F.max("occurred_us").alias("last_bought_us"),
        F.sum(faded).alias("decayed_baskets"),
    )


def item_popularity(shop: Shop) -> DataFrame:
    week = F.col("week")
    buyers = [
        F.countDistinct(F.when(week >= shop.week - weeks, F.col("user_id"))).alias(f"households_{weeks}w")
        for weeks in (1, 4, 8)
    ]
    return shop.lines.groupBy("item_id").agg(
        *buyers,
        F.countDistinct("user_id").alias("households"),
        F.count("*").alias("baskets"),
        F.sum(F.pow(F.lit(0.7), F.lit(shop.week - 1) - week)).alias("recent_baskets"),
        F.min("occurred_us").alias("first_sold_us"),
        F.max("occurred_us").alias("last_sold_us"),
        (F.max(week) >= shop.week - 8).alias("sellable"),
    )


def basket_transitions(shop: Shop) -> DataFrame:
    earlier = shop.lines.filter(F.col("week") >= shop.week - 26).select(*BASKET, "item_id")
    later = shop.lines.select(
        "user_id", (F.col("basket") - 1).alias("basket"), F.col("item_id").alias("next_item_id")
    )
    pairs = earlier.join(later, BASKET).groupBy("item_id", "next_item_id")
    return pairs.agg(F.count("*").alias("transitions")).filter("transitions >= 3")


def copurchases(shop: Shop) -> DataFrame:
    lines = shop.lines.filter(F.col("week") >= shop.week - 26).select(*BASKET, "item_id")
    counts = lines.groupBy("item_id").agg(F.count("*").alias("baskets")).filter("baskets >= 5").cache()
    lines = lines.join(counts, "item_id", "left_semi")
    pairs = lines.join(lines.withColumnRenamed("item_id", "other_item_id"), BASKET)
    pairs = pairs.filter("item_id < other_item_id").groupBy(PAIR).agg(F.count("*").alias("support"))
    half = pairs.filter("support >= 3")
    both = half.union(half.select(F.col("other_item_id"), F.col("item_id"), "support"))
    others = counts.select(F.col("item_id").alias("other_item_id"), F.col("baskets").alias("other_baskets"))
    both = both.join(counts, "item_id").join(others, "other_item_id")
    product = F.col("baskets").cast("double") * F.col("other_baskets")
    both = both.withColumn("strength", F.col("support") / F.sqrt(product))
    order = Window.partitionBy("item_id").orderBy(F.desc("strength"), "other_item_id")
    placed = both.withColumn("place", F.row_number().over(order)).filter("place <= 20")
    return placed.select(*PAIR, "support", "strength")


def household_windows(shop: Shop) -> DataFrame:
    baskets = shop.lines.groupBy(*BASKET, "occurred_us").agg(
        F.count("*").alias("lines"), F.sum(F.coalesce("value", F.lit(0.0))).alias("spend")
    )
    sums = []
    for weeks in (4, 12, 52):
        recent = shop.since(weeks)
        sums += [
            _count_if(recent).alias(f"baskets_{weeks}w"),
            F.sum(F.when(recent, F.col("lines")).otherwise(0)).alias(f"lines_{weeks}w"),
            F.sum(F.when(recent, F.col("spend")).otherwise(0.0)).alias(f"spend_{weeks}w"),
        ]
    days_ago = (F.lit(shop.at_us) - F.col("occurred_us")) / DAY_US
    first, last = F.max(days_ago), F.min(days_ago)
    between = F.when(F.count("*") > 1, (first - last) / (F.count("*") - 1))
    return baskets.groupBy("user_id").agg(
        *sums,
        first.alias("days_since_first"),
        last.alias("days_since_last"),
        between.alias("days_between_baskets"),
    )


def household_brands(shop: Shop) -> DataFrame:
    return _interest(shop, "brand")


def household_categories(shop: Shop) -> DataFrame:
    return _interest(shop, "category")


def _interest(shop: Shop, kind: str) -> DataFrame:
    bought = shop.view("household_items")
    whole = bought.groupBy("user_id").agg(F.sum("decayed_baskets").alias("whole"))
    bought = bought.join(shop.items.select("item_id", kind).dropna(), "item_id")
    view = bought.groupBy("user_id", kind).agg(
        F.count("*").alias("items"),
        F.sum("baskets").alias("lines"),
        F.sum("decayed_baskets").alias("decayed_lines"),
        F.max("last_bought_us").alias("last_bought_us"),
    )
    view = view.join(whole, "user_id").withColumn("interest", F.col("decayed_lines") / F.col("whole"))
    return view.drop("whole")


def _priced(shop: Shop) -> DataFrame:
    lines = shop.lines.filter(shop.since(52)).filter("value > 0 AND quantity > 0")
    return lines.withColumn("price", F.col("value") / F.col("quantity"))


def item_prices(shop: Shop) -> DataFrame:
    priced = _priced(shop)
    levels = priced.groupBy("item_id").agg(
        F.median("price").alias("price_median"),
        F.min("price").alias("price_low"),
        F.max("price").alias("price_high"),
        F.max("occurred_us").alias("occurred_us"),
    )
    latest = priced.join(levels.select("item_id", "occurred_us"), ["item_id", "occurred_us"])
    latest = latest.groupBy("item_id").agg((F.sum("value") / F.sum("quantity")).alias("price_last"))
    levels = levels.drop("occurred_us").join(latest, "item_id")
    levels = levels.join(shop.items.select("item_id", "category"), "item_id")
    categories = levels.dropna(subset="category").groupBy("category")
    categories = categories.agg(F.median("price_median").alias("category_price"))
    view = levels.join(categories, "category", "left").drop("category")
    return view.withColumn("relative_price", F.col("price_median") / F.col("category_price"))


def household_price_affinity(shop: Shop) -> DataFrame:
    prices = shop.view("item_prices").select("item_id", "category_price").dropna()
    category_spend = F.sum(F.col("quantity") * F.col("category_price"))
    return (
        _priced(shop)
        .join(prices, "item_id")
        .groupBy("user_id")
        .agg(
            F.count("*").alias("lines"),
            F.sum("value").alias("spend"),
            category_spend.alias("category_spend"),
            (F.sum("value") / category_spend).alias("price_level"),
            F.avg(F.log(F.col("price") / F.col("category_price"))).alias("mean_log_price"),
        )
    )


def household_sequences(shop: Shop) -> DataFrame:
    user = Window.partitionBy("user_id")
    order = user.orderBy(F.desc("basket"), "item_id")
    lines = shop.lines.withColumn("position", F.row_number().over(order))
    lines = lines.withColumn("baskets_ago", F.max("basket").over(user) - F.col("basket"))
    return lines.filter("position <= 50").select(
        "user_id", "position", "item_id", "baskets_ago", "occurred_us"
    )


def promotion_spans(shop: Shop) -> DataFrame:
    placed = shop.promotions.join(shop.recommendable, "item_id", "left_semi")
    order = Window.partitionBy("item_id").orderBy("starts_us", "ends_us", "promotion_id")
    reached = F.max("ends_us").over(order.rowsBetween(Window.unboundedPreceding, -1))
    spans = placed.select(
        "item_id", F.greatest("starts_us", reached).alias("from_us"), F.col("ends_us").alias("until_us")
    )
    return spans.filter("until_us > from_us")


def _promoted(shop: Shop, lines: DataFrame) -> DataFrame:
    pairs = lines.select("user_id", "item_id", "occurred_us").join(shop.view("promotion_spans"), "item_id")
    return pairs.filter("occurred_us >= from_us AND occurred_us < until_us")


def household_promotions(shop: Shop) -> DataFrame:
    redemptions = shop.events.filter(F.col("event_type") == "redemption").groupBy("user_id")
    redemptions = redemptions.agg(
        F.count("*").alias("redemptions"),
        F.countDistinct("campaign_id").alias("campaigns_redeemed"),
        F.max("occurred_us").alias("last_redeemed_us"),
    )
    lines = shop.lines.filter(shop.since(52))
    bought = lines.groupBy("user_id").agg(F.count("*").alias("lines"))
    promoted = _promoted(shop, lines).groupBy("user_id").agg(F.count("*").alias("promoted_lines"))
    bought = bought.join(promoted, "user_id", "left").fillna(0, ["promoted_lines"])
    overall = bought.agg((F.sum("promoted_lines") / F.sum("lines")).alias("overall"))
    bought = bought.withColumn("promoted_share", F.col("promoted_lines") / F.col("lines"))
    lift = F.when(F.col("overall") > 0, F.col("promoted_share") / F.col("overall"))
    bought = bought.crossJoin(overall).withColumn("promotion_lift", lift).drop("overall")
    view = shop.view("households").select("user_id").join(redemptions, "user_id", "full")
    view = view.join(bought, "user_id", "left").join(_discounts(shop), "user_id", "left")
    return view.fillna(0, ["redemptions", "campaigns_redeemed", "lines", "promoted_lines"])


def _discounts(shop: Shop) -> DataFrame:
    purchases = shop.events.filter(F.col("event_type") == "purchase").filter(shop.since(52))
    purchases = purchases.join(shop.recommendable, "item_id", "left_semi")
    discount = F.coalesce("discount", F.lit(0.0))
    full = F.sum(F.coalesce("value", F.lit(0.0)) + discount)
    return purchases.groupBy("user_id").agg(
        (_count_if(discount > 0) / F.count("*")).alias("discounted_share"),
        F.when(full > 0, F.sum(discount) / full).alias("discount_rate"),
    )


def item_promotions(shop: Shop) -> DataFrame:
    running = F.col("ends_us") > shop.at_us
    view = shop.promotions.join(shop.recommendable, "item_id", "left_semi").groupBy("item_id")
    view = view.agg(
        F.countDistinct(F.when(running, F.col("campaign_id"))).alias("campaigns_running"),
        F.countDistinct(F.when(running, F.col("coupon_id"))).alias("coupons_running"),
        F.countDistinct("campaign_id").alias("campaigns"),
        F.max("ends_us").alias("ends_us"),
    )
    sold = shop.view("item_popularity").select("item_id", "baskets", "first_sold_us")
    promoted = _promoted(shop, shop.lines).groupBy("item_id").agg(F.count("*").alias("promoted_lines"))
    for other in (sold, _weeks_on_promotion(shop, sold), promoted):
        view = view.join(other, "item_id", "left")
    view = view.fillna(0, ["promoted_weeks", "promoted_lines", "baskets"])
    view = view.withColumn("on_promotion", F.col("campaigns_running") > 0)
    view = view.withColumn("other_lines", F.col("baskets") - F.col("promoted_lines"))
    weeks = (F.lit(shop.at_us) - F.col("first_sold_us")) / WEEK_US
    without = F.col("promoted_lines") * (weeks - F.col("promoted_weeks"))
    lift = F.when(
        (F.col("promoted_weeks") > 0) & (F.col("other_lines") > 0),
        without / (F.col("promoted_weeks") * F.col("other_lines")),
    )
    return view.withColumn("lift", lift).drop("baskets", "first_sold_us")


def _weeks_on_promotion(shop: Shop, sold: DataFrame) -> DataFrame:
    start, end = F.greatest("from_us", "first_sold_us"), F.least("until_us", F.lit(shop.at_us))
    spans = shop.view("promotion_spans").join(sold, "item_id").filter(end > start)
    return spans.groupBy("item_id").agg(F.sum((end - start) / WEEK_US).alias("promoted_weeks"))


def item_trends(shop: Shop) -> DataFrame:
    recent = shop.at_us - 4 * WEEK_US
    view = shop.view("household_items").groupBy("item_id")
    view = view.agg(
        ((F.lit(shop.at_us) - F.min("first_bought_us")) / WEEK_US).alias("weeks_since_first_sold"),
        _count_if(F.col("last_bought_us") >= recent).alias("buyers_4w"),
        _count_if(F.col("first_bought_us") >= recent).alias("new_buyers_4w"),
        (_count_if(F.col("baskets") >= 2) / F.count("*")).alias("repeat_share"),
    )
    weeks_ago = F.floor((F.lit(shop.at_us - 1) - F.col("occurred_us")) / WEEK_US).alias("weeks_ago")
    weekly = shop.lines.filter(shop.since(8)).select("item_id", "user_id", weeks_ago).distinct()
    weekly = weekly.groupBy("item_id").agg(
        _count_if(F.col("weeks_ago") < 4).alias("lately"), _count_if(F.col("weeks_ago") >= 4).alias("before")
    )
    view = view.join(weekly, "item_id", "left").fillna(0, ["lately", "before"])
    view = view.withColumns(
        {
            "weekly_buyers": F.col("lately") / 4,
            "weekly_buyers_before": F.col("before") / 4,
            "growth": (F.col("lately") + 1) / (F.col("before") + 1),
            "new_buyer_share": F.when(F.col("buyers_4w") > 0, F.col("new_buyers_4w") / F.col("buyers_4w")),
        }
    )
    return view.drop("lately", "before")


VIEWS: dict[str, Callable[[Shop], DataFrame]] = {name: globals()[name] for name in all_views()}
