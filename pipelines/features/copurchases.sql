-- What goes with what: items of one basket, the 20 strongest companions of each item.
-- key: item_id, other_item_id
-- windows: the 26 weeks before the moment
-- column item_id: an item that was bought at least 5 times
-- column other_item_id: another such item, at least 3 times in one basket with it
-- column support: baskets that hold both, number
-- column strength: support over the root of both items' numbers of baskets (cosine), between 0 and 1
-- Items have numbers here, and each pair is counted once: that takes half as long as with texts and both ways round.
WITH lines AS (
    SELECT basket_lines.user_id, basket_lines.basket, basket_lines.item_id
    FROM basket_lines
    CROSS JOIN moment
    WHERE basket_lines.week >= moment.week - 26
),

counts AS (
    SELECT item_id, COUNT(*) AS baskets, CAST(ROW_NUMBER() OVER (ORDER BY item_id) AS INTEGER) AS number
    FROM lines
    GROUP BY item_id
    HAVING COUNT(*) >= 5
),

kept AS (
    SELECT lines.user_id, lines.basket, counts.number
    FROM lines
    INNER JOIN counts ON lines.item_id = counts.item_id
),

half AS (
    SELECT one.number, other.number AS other_number, COUNT(*) AS support
    FROM kept AS one
    INNER JOIN kept AS other
        ON one.user_id = other.user_id AND one.basket = other.basket AND one.number < other.number
    GROUP BY one.number, other.number
    HAVING COUNT(*) >= 3
),

pairs AS (
    SELECT number, other_number, support FROM half
    UNION ALL
    SELECT other_number AS number, number AS other_number, support FROM half
),

ranked AS (
    SELECT
        one.item_id,
        other.item_id AS other_item_id,
        pairs.support,
        pairs.support / SQRT(CAST(one.baskets AS DOUBLE) * other.baskets) AS strength
    FROM pairs
    INNER JOIN counts AS one ON pairs.number = one.number
    INNER JOIN counts AS other ON pairs.other_number = other.number
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
