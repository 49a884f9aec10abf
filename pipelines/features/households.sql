-- Who shops: how long known, how often, how much. Slices of the evaluation are cut by these.
-- key: user_id
-- windows: everything known before the moment
SELECT
    user_id,
    COUNT(DISTINCT basket) AS baskets,
    COUNT(DISTINCT item_id) AS items,
    COUNT(*) AS lines,
    SUM(value) AS spend,
    MIN(occurred_us) AS first_bought_us,
    MAX(occurred_us) AS last_bought_us
FROM basket_lines
GROUP BY user_id
