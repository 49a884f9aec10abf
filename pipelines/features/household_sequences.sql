-- What a household bought last, in order: the last 50 lines of each household, one row each.
-- key: user_id, position
-- windows: the last 50 lines known before the moment
-- incremental: user_id
-- A basket is a set: its lines are placed by item id, and `baskets_ago` says which of them belong together.
-- column user_id: the household
-- column position: place counted back from the moment, 1 is the latest, number
-- column item_id: what was bought
-- column baskets_ago: how many baskets came after this one, 0 is the latest, number
-- column occurred_us: when the basket was bought, microseconds since 1970 (UTC)
WITH baskets AS (
    SELECT user_id, basket, COUNT(*) AS lines, MAX(basket) OVER (PARTITION BY user_id) - basket AS baskets_ago
    FROM basket_lines
    GROUP BY user_id, basket
),

followed AS (
    SELECT
        user_id,
        basket,
        baskets_ago,
        SUM(lines) OVER (PARTITION BY user_id ORDER BY basket DESC) - lines AS lines_after
    FROM baskets
),

placed AS (
    SELECT
        basket_lines.user_id,
        basket_lines.item_id,
        followed.baskets_ago,
        basket_lines.occurred_us,
        ROW_NUMBER() OVER (
            PARTITION BY basket_lines.user_id ORDER BY followed.baskets_ago ASC, basket_lines.item_id ASC
        ) AS position
    FROM basket_lines
    INNER JOIN followed ON basket_lines.user_id = followed.user_id AND basket_lines.basket = followed.basket
    WHERE followed.lines_after < 50
)

SELECT user_id, CAST(position AS INTEGER) AS position, item_id, baskets_ago, occurred_us
FROM placed
WHERE position <= 50
