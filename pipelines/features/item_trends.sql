-- Whether an item is new, rising or fading, and whether those who try it come back: one row per item.
-- key: item_id
-- windows: the 4 weeks of 168 hours before the moment, and the 4 before those; everything known before it
-- An item that was first sold within 8 weeks had less time in the window before: `weeks_since_first_sold` says so.
-- column item_id: the item
-- column weeks_since_first_sold: from its first sale to the moment, weeks
-- column weekly_buyers: households that bought it in a week, mean of the last 4 weeks, number
-- column weekly_buyers_before: the same of the 4 weeks before those, number
-- column growth: one more than the sum of the last 4 weekly counts over one more than that of the 4 before, ratio
-- column buyers_4w: different households that bought it in the last 4 weeks, number
-- column new_buyers_4w: those of them that never bought it before, number
-- column new_buyer_share: new_buyers_4w over buyers_4w, share; empty when nobody bought it
-- column repeat_share: households with two or more baskets that hold it over all that ever bought it, share
WITH bought AS (
    SELECT
        household_items.item_id,
        (moment.at_us - MIN(household_items.first_bought_us)) / CAST(604800000000 AS DOUBLE)
            AS weeks_since_first_sold,
        COUNT(CASE WHEN household_items.last_bought_us >= moment.at_us - 2419200000000 THEN 1 END) AS buyers_4w,
        COUNT(CASE WHEN household_items.first_bought_us >= moment.at_us - 2419200000000 THEN 1 END)
            AS new_buyers_4w,
        COUNT(CASE WHEN household_items.baskets >= 2 THEN 1 END) AS repeat_buyers,
        COUNT(*) AS buyers
    FROM household_items
    CROSS JOIN moment
    GROUP BY household_items.item_id, moment.at_us
),

buyer_weeks AS (
    SELECT DISTINCT
        basket_lines.item_id,
        basket_lines.user_id,
        FLOOR((moment.at_us - 1 - basket_lines.occurred_us) / CAST(604800000000 AS DOUBLE)) AS weeks_ago
    FROM basket_lines
    CROSS JOIN moment
    WHERE basket_lines.occurred_us >= moment.at_us - 4838400000000
),

weekly AS (
    SELECT
        item_id,
        COUNT(CASE WHEN weeks_ago < 4 THEN 1 END) AS lately,
        COUNT(CASE WHEN weeks_ago >= 4 THEN 1 END) AS before
    FROM buyer_weeks
    GROUP BY item_id
)

SELECT
    bought.item_id,
    bought.weeks_since_first_sold,
    COALESCE(weekly.lately, 0) / CAST(4 AS DOUBLE) AS weekly_buyers,
    COALESCE(weekly.before, 0) / CAST(4 AS DOUBLE) AS weekly_buyers_before,
    (COALESCE(weekly.lately, 0) + 1) / CAST(COALESCE(weekly.before, 0) + 1 AS DOUBLE) AS growth,
    bought.buyers_4w,
    bought.new_buyers_4w,
    bought.new_buyers_4w / CAST(NULLIF(bought.buyers_4w, 0) AS DOUBLE) AS new_buyer_share,
    bought.repeat_buyers / CAST(bought.buyers AS DOUBLE) AS repeat_share
FROM bought
LEFT JOIN weekly ON bought.item_id = weekly.item_id
