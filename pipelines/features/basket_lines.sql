-- What was bought together: one row per household, basket and item.
-- key: user_id, basket, item_id
-- windows: everything known before the moment
-- incremental: user_id
-- A household's lines with one basket id are one basket, at the moment of the earliest: an order may arrive line
-- by line. Lines without an id are one basket a moment.
-- Only what may be recommended is kept: fuel and coupon lines are events, but nobody wants them suggested. They
-- still date their basket, as they do for the endpoint, which knows no catalog when a purchase is posted.
-- column user_id: the household
-- column basket: place of the basket among the household's, 0 is the oldest, number
-- column item_id: what was bought
-- column occurred_us: when the basket was bought, microseconds since 1970 (UTC)
-- column week: shop week in which it was bought, number
-- column quantity: how much of the item was bought, pieces or the item's own unit
-- column value: what was paid for it, shop currency
WITH bought AS (
    SELECT
        user_id,
        basket_id,
        item_id,
        CASE WHEN basket_id IS NULL THEN occurred_us END AS lone_us,
        MIN(occurred_us) AS first_us,
        MIN(week) AS first_week,
        SUM(quantity) AS quantity,
        SUM(value) AS value
    FROM known_events
    WHERE event_type = 'purchase'
    GROUP BY user_id, basket_id, item_id, CASE WHEN basket_id IS NULL THEN occurred_us END
),

lines AS (
    SELECT bought.*, items.recommendable AS recommendable
    FROM bought
    LEFT JOIN items ON bought.item_id = items.item_id
),

dated AS (
    SELECT user_id, basket_id, lone_us, MIN(first_us) AS occurred_us, MIN(first_week) AS week
    FROM lines
    GROUP BY user_id, basket_id, lone_us
    HAVING COUNT(CASE WHEN recommendable THEN 1 END) > 0
),

baskets AS (
    SELECT
        *,
        CAST(ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY occurred_us, basket_id) - 1 AS INTEGER) AS basket
    FROM dated
)

SELECT
    baskets.user_id,
    baskets.basket,
    lines.item_id,
    baskets.occurred_us,
    baskets.week,
    lines.quantity,
    lines.value
FROM lines
INNER JOIN baskets
    ON
        lines.user_id = baskets.user_id
        AND lines.basket_id IS NOT DISTINCT FROM baskets.basket_id
        AND lines.lone_us IS NOT DISTINCT FROM baskets.lone_us
WHERE lines.recommendable
