-- What a household buys again: how often, how lately, with weight that fades with the weeks.
-- key: user_id, item_id
-- windows: everything known before the moment
-- `decayed_baskets`: each basket weighs 0.9 to the power of its age in weeks, the strongest plain baseline.
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
