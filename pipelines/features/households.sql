-- Who shops: how long known, how often, how much. Slices of the evaluation are cut by these.
-- key: user_id
-- windows: everything known before the moment
-- incremental: user_id
-- column user_id: the household
-- column baskets: its baskets, number
-- column items: different items that it bought, number
-- column lines: items in its baskets, one per basket and item, number
-- column spend: what it paid for them, shop currency
-- column first_bought_us: when it was first seen buying, microseconds since 1970 (UTC)
-- column last_bought_us: when it last bought, microseconds since 1970 (UTC)
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
