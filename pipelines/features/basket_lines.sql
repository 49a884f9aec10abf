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
        SUM(quantity) AS quantity,
        SUM(value) AS value
    FROM known_events
    WHERE event_type = 'purchase'
    GROUP BY user_id, basket_id, item_id, CASE WHEN basket_id IS NULL THEN occurred_us END
),

dated AS (
    SELECT
        known_events.user_id,
        known_events.basket_id,
        CASE WHEN known_events.basket_id IS NULL THEN known_events.occurred_us END AS lone_us,
        MIN(known_events.occurred_us) AS occurred_us,
        MIN(known_events.week) AS week
    FROM known_events
    LEFT JOIN items ON known_events.item_id = items.item_id
    WHERE known_events.event_type = 'purchase'
    GROUP BY
        known_events.user_id,
        known_events.basket_id,
        CASE WHEN known_events.basket_id IS NULL THEN known_events.occurred_us END
    HAVING COUNT(CASE WHEN items.recommendable THEN 1 END) > 0
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
    bought.item_id,
    baskets.occurred_us,
    baskets.week,
    bought.quantity,
    bought.value
FROM bought
INNER JOIN baskets
    ON
        bought.user_id = baskets.user_id
        AND bought.basket_id IS NOT DISTINCT FROM baskets.basket_id
        AND bought.lone_us IS NOT DISTINCT FROM baskets.lone_us
INNER JOIN items ON bought.item_id = items.item_id
WHERE items.recommendable
