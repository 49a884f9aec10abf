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

dated AS (
    SELECT
        user_id,
        basket_id,
        item_id,
        MIN(first_us) OVER (PARTITION BY user_id, basket_id, lone_us) AS occurred_us,
        MIN(first_week) OVER (PARTITION BY user_id, basket_id, lone_us) AS week,
        quantity,
        value
    FROM bought
)

SELECT
    dated.user_id,
    CAST(
        DENSE_RANK() OVER (PARTITION BY dated.user_id ORDER BY dated.occurred_us, dated.basket_id) - 1 AS INTEGER
    ) AS basket,
    dated.item_id,
    dated.occurred_us,
    dated.week,
    dated.quantity,
    dated.value
FROM dated
INNER JOIN items ON dated.item_id = items.item_id
WHERE items.recommendable
