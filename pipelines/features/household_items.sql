-- What a household buys again: how often, how lately, with weight that fades with the weeks.
-- key: user_id, item_id
-- windows: everything known before the moment
-- column user_id: the household
-- column item_id: what it bought
-- column baskets: its baskets that hold the item, number
-- column first_bought_us: when it first bought it, microseconds since 1970 (UTC)
-- column last_bought_us: when it last bought it, microseconds since 1970 (UTC)
-- column decayed_baskets: the baskets, each with the weight 0.9 to the power of its age in weeks, number
SELECT
    basket_lines.user_id,
    basket_lines.item_id,
    COUNT(*) AS baskets,
    MIN(basket_lines.occurred_us) AS first_bought_us,
    MAX(basket_lines.occurred_us) AS last_bought_us,
    SUM(POWER(CAST(0.9 AS DOUBLE), (moment.at_us - basket_lines.occurred_us) / CAST(604800000000 AS DOUBLE)))
        AS decayed_baskets
FROM basket_lines
CROSS JOIN moment
GROUP BY basket_lines.user_id, basket_lines.item_id
