-- What goes with what: items of one basket, the 20 strongest companions of each item.
-- key: item_id, other_item_id
-- windows: the 26 weeks before the moment
-- column item_id: an item that was bought at least 5 times
-- column other_item_id: another such item, at least 3 times in one basket with it
-- column support: baskets that hold both, number
-- column strength: support over the root of both items' numbers of baskets (cosine), between 0 and 1
WITH lines AS (
    SELECT basket_lines.user_id, basket_lines.basket, basket_lines.item_id
    FROM basket_lines
    CROSS JOIN moment
    WHERE basket_lines.week >= moment.week - 26
),

counts AS (
    SELECT item_id, COUNT(*) AS baskets
    FROM lines
    GROUP BY item_id
    HAVING COUNT(*) >= 5
),

pairs AS (
    SELECT one.item_id, other.item_id AS other_item_id, COUNT(*) AS support
    FROM lines AS one
    INNER JOIN lines AS other
        ON one.user_id = other.user_id AND one.basket = other.basket AND one.item_id <> other.item_id
    INNER JOIN counts AS kept_one ON one.item_id = kept_one.item_id
    INNER JOIN counts AS kept_other ON other.item_id = kept_other.item_id
    GROUP BY one.item_id, other.item_id
    HAVING COUNT(*) >= 3
),

ranked AS (
    SELECT
        pairs.item_id,
        pairs.other_item_id,
        pairs.support,
        pairs.support / SQRT(CAST(one.baskets AS DOUBLE) * other.baskets) AS strength
    FROM pairs
    INNER JOIN counts AS one ON pairs.item_id = one.item_id
    INNER JOIN counts AS other ON pairs.other_item_id = other.item_id
),

placed AS (
    SELECT
        item_id,
        other_item_id,
        support,
        strength,
        ROW_NUMBER() OVER (PARTITION BY item_id ORDER BY strength DESC, other_item_id ASC) AS place
    FROM ranked
)

SELECT item_id, other_item_id, support, strength
FROM placed
WHERE place <= 20
