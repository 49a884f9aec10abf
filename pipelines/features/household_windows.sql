-- How lately, how often and for how much a household shops: one row per household.
-- key: user_id
-- windows: 4, 12 and 52 weeks of 168 hours before the moment; everything known before it
-- column user_id: the household
-- column baskets_4w: baskets in the 4 weeks before the moment, number
-- column baskets_12w: baskets in the 12 weeks before the moment, number
-- column baskets_52w: baskets in the 52 weeks before the moment, number
-- column lines_4w: items in the baskets of the 4 weeks, one per basket and item, number
-- column lines_12w: items in the baskets of the 12 weeks, number
-- column lines_52w: items in the baskets of the 52 weeks, number
-- column spend_4w: what was paid for them in the 4 weeks, shop currency
-- column spend_12w: what was paid for them in the 12 weeks, shop currency
-- column spend_52w: what was paid for them in the 52 weeks, shop currency
-- column days_since_first: from the first basket to the moment, days
-- column days_since_last: from the last basket to the moment, days
-- column days_between_baskets: mean from one basket to the next, days; empty with fewer than two baskets
WITH baskets AS (
    SELECT user_id, basket, occurred_us, COUNT(*) AS lines, SUM(COALESCE(value, 0)) AS spend
    FROM basket_lines
    GROUP BY user_id, basket, occurred_us
),

aged AS (
    SELECT
        baskets.user_id,
        baskets.lines,
        baskets.spend,
        baskets.occurred_us >= moment.at_us - 2419200000000 AS in_4w,
        baskets.occurred_us >= moment.at_us - 7257600000000 AS in_12w,
        baskets.occurred_us >= moment.at_us - 31449600000000 AS in_52w,
        (moment.at_us - baskets.occurred_us) / CAST(86400000000 AS DOUBLE) AS days_ago
    FROM baskets
    CROSS JOIN moment
)

SELECT
    user_id,
    COUNT(CASE WHEN in_4w THEN 1 END) AS baskets_4w,
    COUNT(CASE WHEN in_12w THEN 1 END) AS baskets_12w,
    COUNT(CASE WHEN in_52w THEN 1 END) AS baskets_52w,
    CAST(SUM(CASE WHEN in_4w THEN lines ELSE 0 END) AS BIGINT) AS lines_4w,
    CAST(SUM(CASE WHEN in_12w THEN lines ELSE 0 END) AS BIGINT) AS lines_12w,
    CAST(SUM(CASE WHEN in_52w THEN lines ELSE 0 END) AS BIGINT) AS lines_52w,
    SUM(CASE WHEN in_4w THEN spend ELSE 0 END) AS spend_4w,
    SUM(CASE WHEN in_12w THEN spend ELSE 0 END) AS spend_12w,
    SUM(CASE WHEN in_52w THEN spend ELSE 0 END) AS spend_52w,
    MAX(days_ago) AS days_since_first,
    MIN(days_ago) AS days_since_last,
    (MAX(days_ago) - MIN(days_ago)) / NULLIF(COUNT(*) - 1, 0) AS days_between_baskets
FROM aged
GROUP BY user_id
