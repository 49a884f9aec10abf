-- When an item was on promotion: one row per item and span of time, no moment of an item in two spans.
-- key: item_id, from_us
-- windows: promotions that began before the moment; a span ends when the promotion does, which may be later
-- Overlapping promotions are cut: each span is what its promotion adds to those that began before it.
-- column item_id: the item
-- column from_us: first moment of the span, microseconds since 1970 (UTC)
-- column until_us: first moment after it, microseconds since 1970 (UTC)
WITH placed AS (
    SELECT
        known_promotions.item_id,
        known_promotions.starts_us,
        known_promotions.ends_us,
        MAX(known_promotions.ends_us) OVER (
            PARTITION BY known_promotions.item_id
            ORDER BY known_promotions.starts_us, known_promotions.ends_us, known_promotions.promotion_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached_us
    FROM known_promotions
    INNER JOIN items ON known_promotions.item_id = items.item_id
    WHERE items.recommendable
),

cut AS (
    SELECT
        item_id,
        CASE WHEN reached_us > starts_us THEN reached_us ELSE starts_us END AS from_us,
        ends_us AS until_us
    FROM placed
)

SELECT item_id, from_us, until_us
FROM cut
WHERE until_us > from_us
