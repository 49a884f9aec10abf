-- Whether an item is on promotion, and what promotions did for it: one row per item that ever was.
-- key: item_id
-- windows: the moment itself; everything known before it, for the sales from the item's first sale on
-- column item_id: the item
-- column on_promotion: whether a promotion is running at the moment
-- column campaigns_running: different campaigns running for it at the moment, number
-- column coupons_running: different coupons that are good for it at the moment, number
-- column campaigns: different campaigns that ever began for it, number
-- column ends_us: when the last of its promotions ends or ended, microseconds since 1970 (UTC)
-- column promoted_weeks: how long it was on promotion since its first sale, weeks of 168 hours
-- column promoted_lines: baskets that held it while it was on promotion, number
-- column other_lines: baskets that held it while it was not, number
-- column lift: baskets a week on promotion over baskets a week without, ratio; empty where there is nothing to compare
WITH campaigns AS (
    SELECT
        known_promotions.item_id,
        COUNT(DISTINCT CASE WHEN known_promotions.ends_us > moment.at_us THEN known_promotions.campaign_id END)
            AS campaigns_running,
        COUNT(DISTINCT CASE WHEN known_promotions.ends_us > moment.at_us THEN known_promotions.coupon_id END)
            AS coupons_running,
        COUNT(DISTINCT known_promotions.campaign_id) AS campaigns,
        MAX(known_promotions.ends_us) AS ends_us
    FROM known_promotions
    INNER JOIN items ON known_promotions.item_id = items.item_id
    CROSS JOIN moment
    WHERE items.recommendable
    GROUP BY known_promotions.item_id
),

clipped AS (
    SELECT
        promotion_spans.item_id,
        CASE
            WHEN promotion_spans.from_us > item_popularity.first_sold_us THEN promotion_spans.from_us
            ELSE item_popularity.first_sold_us
        END AS from_us,
        CASE WHEN promotion_spans.until_us < moment.at_us THEN promotion_spans.until_us ELSE moment.at_us END
            AS until_us
    FROM promotion_spans
    INNER JOIN item_popularity ON promotion_spans.item_id = item_popularity.item_id
    CROSS JOIN moment
),

exposure AS (
    SELECT item_id, SUM((until_us - from_us) / CAST(604800000000 AS DOUBLE)) AS weeks
    FROM clipped
    WHERE until_us > from_us
    GROUP BY item_id
),

sold AS (
    SELECT basket_lines.item_id, COUNT(*) AS lines
    FROM basket_lines
    INNER JOIN promotion_spans
        ON
            basket_lines.item_id = promotion_spans.item_id
            AND basket_lines.occurred_us >= promotion_spans.from_us
            AND basket_lines.occurred_us < promotion_spans.until_us
    GROUP BY basket_lines.item_id
),

counted AS (
    SELECT
        campaigns.item_id,
        campaigns.campaigns_running,
        campaigns.coupons_running,
        campaigns.campaigns,
        campaigns.ends_us,
        COALESCE(exposure.weeks, 0) AS promoted_weeks,
        COALESCE(sold.lines, 0) AS promoted_lines,
        COALESCE(item_popularity.baskets, 0) - COALESCE(sold.lines, 0) AS other_lines,
        (moment.at_us - item_popularity.first_sold_us) / CAST(604800000000 AS DOUBLE) AS weeks
    FROM campaigns
    CROSS JOIN moment
    LEFT JOIN item_popularity ON campaigns.item_id = item_popularity.item_id
    LEFT JOIN exposure ON campaigns.item_id = exposure.item_id
    LEFT JOIN sold ON campaigns.item_id = sold.item_id
)

SELECT
    item_id,
    campaigns_running > 0 AS on_promotion,
    campaigns_running,
    coupons_running,
    campaigns,
    ends_us,
    promoted_weeks,
    promoted_lines,
    other_lines,
    CASE
        WHEN promoted_weeks > 0 AND other_lines > 0
            THEN promoted_lines * (weeks - promoted_weeks) / (promoted_weeks * other_lines)
    END AS lift
FROM counted
