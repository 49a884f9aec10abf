-- What was bought together: one row per household, basket and item.
-- key: user_id, basket, item_id
-- windows: everything known before the moment
-- `basket` counts a household's baskets from 0, oldest first; a basket is one moment at one till.
-- Only what may be recommended is kept: fuel and coupon lines are events, but nobody wants them suggested.
SELECT
    known_events.user_id,
    CAST(
        DENSE_RANK() OVER (
            PARTITION BY known_events.user_id
            ORDER BY known_events.occurred_us, known_events.basket_id
        ) - 1 AS INTEGER
    ) AS basket,
    known_events.item_id,
    known_events.occurred_us,
    known_events.week,
    SUM(known_events.quantity) AS quantity,
    SUM(known_events.value) AS value
FROM known_events
INNER JOIN items ON known_events.item_id = items.item_id
WHERE known_events.event_type = 'purchase' AND items.recommendable
GROUP BY
    known_events.user_id,
    known_events.basket_id,
    known_events.item_id,
    known_events.occurred_us,
    known_events.week
