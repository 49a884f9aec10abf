-- What the next basket brings: how often an item of one basket is followed by an item of the same
-- household's next basket. One count per pair of baskets, since a basket is a set.
-- key: item_id, next_item_id
-- windows: the 26 weeks before the moment
-- Pairs seen fewer than 3 times say nothing and are left out.
-- column item_id: an item of a basket
-- column next_item_id: an item of the next basket
-- column transitions: pairs of baskets in which the one is followed by the other, number
-- Items have numbers here: counting pairs of numbers takes half as long as of texts.
WITH numbered AS (
    SELECT item_id, CAST(ROW_NUMBER() OVER (ORDER BY item_id) AS INTEGER) AS number
    FROM basket_lines
    GROUP BY item_id
    HAVING COUNT(*) >= 3
),

lines AS (
    SELECT basket_lines.user_id, basket_lines.basket, basket_lines.week, numbered.number
    FROM basket_lines
    INNER JOIN numbered ON basket_lines.item_id = numbered.item_id
),

pairs AS (
    SELECT earlier.number, later.number AS next_number, COUNT(*) AS transitions
    FROM lines AS earlier
    INNER JOIN lines AS later
        ON earlier.user_id = later.user_id AND later.basket = earlier.basket + 1
    CROSS JOIN moment
    WHERE earlier.week >= moment.week - 26
    GROUP BY earlier.number, later.number
    HAVING COUNT(*) >= 3
)

SELECT one.item_id, other.item_id AS next_item_id, pairs.transitions
FROM pairs
INNER JOIN numbered AS one ON pairs.number = one.number
INNER JOIN numbered AS other ON pairs.next_number = other.number
