-- How many households buy an item, lately and ever, and when it was on sale.
-- key: item_id
-- windows: 1, 4 and 8 weeks before the moment; everything known before it
-- column item_id: the item
-- column households_1w: different households that bought it in the last shop week, number
-- column households_4w: different households that bought it in the last 4 shop weeks, number
-- column households_8w: different households that bought it in the last 8 shop weeks, number
-- column households: different households that ever bought it, number
-- column baskets: baskets that hold it, number
-- column recent_baskets: the baskets, each with the weight 0.7 to the power of the whole weeks since its week, number
-- column first_sold_us: when it was first sold, microseconds since 1970 (UTC)
-- column last_sold_us: when it was last sold, microseconds since 1970 (UTC)
-- column sellable: whether it was sold in the last 8 shop weeks, so that it is plausibly still on the shelf
SELECT
    basket_lines.item_id,
    COUNT(DISTINCT CASE WHEN basket_lines.week >= moment.week - 1 THEN basket_lines.user_id END) AS households_1w,
    COUNT(DISTINCT CASE WHEN basket_lines.week >= moment.week - 4 THEN basket_lines.user_id END) AS households_4w,
    COUNT(DISTINCT CASE WHEN basket_lines.week >= moment.week - 8 THEN basket_lines.user_id END) AS households_8w,
    COUNT(DISTINCT basket_lines.user_id) AS households,
    COUNT(*) AS baskets,
    SUM(POWER(CAST(0.7 AS DOUBLE), moment.week - 1 - basket_lines.week)) AS recent_baskets,
    MIN(basket_lines.occurred_us) AS first_sold_us,
    MAX(basket_lines.occurred_us) AS last_sold_us,
    MAX(basket_lines.week) >= moment.week - 8 AS sellable
FROM basket_lines
CROSS JOIN moment
GROUP BY basket_lines.item_id, moment.week
