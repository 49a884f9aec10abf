-- What the next basket brings: how often an item of one basket is followed by an item of the same
-- household's next basket. One count per pair of baskets, since a basket is a set.
-- key: item_id, next_item_id
-- windows: the 26 weeks before the moment
-- Pairs seen fewer than 3 times say nothing and are left out.
-- column item_id: an item of a basket
-- column next_item_id: an item of the next basket
-- column transitions: pairs of baskets in which the one is followed by the other, number
SELECT
    earlier.item_id,
    later.item_id AS next_item_id,
    COUNT(*) AS transitions
FROM basket_lines AS earlier
INNER JOIN basket_lines AS later
    ON earlier.user_id = later.user_id AND later.basket = earlier.basket + 1
CROSS JOIN moment
WHERE earlier.week >= moment.week - 26
GROUP BY earlier.item_id, later.item_id
HAVING COUNT(*) >= 3
