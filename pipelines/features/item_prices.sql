-- What an item costs, and what things of its category cost: one row per item that was paid for.
-- key: item_id
-- windows: the 52 weeks of 168 hours before the moment
-- A line's price is what was paid over the quantity, discounts taken off. Lines that cost nothing tell no price.
-- column item_id: the item
-- column price_median: median of its lines' prices, shop currency a unit
-- column price_low: lowest price of a line, shop currency a unit
-- column price_high: highest price of a line, shop currency a unit
-- column price_last: what was paid over the quantity at the last moment at which it was sold, shop currency a unit
-- column category_price: median of the medians of its category's items, shop currency a unit; empty without a category
-- column relative_price: its median over that of its category, ratio; empty without a category
WITH priced AS (
    SELECT
        basket_lines.item_id,
        basket_lines.occurred_us,
        basket_lines.quantity,
        basket_lines.value,
        basket_lines.value / basket_lines.quantity AS price
    FROM basket_lines
    CROSS JOIN moment
    WHERE
        basket_lines.occurred_us >= moment.at_us - 31449600000000
        AND basket_lines.value > 0
        AND basket_lines.quantity > 0
),

levels AS (
    SELECT
        item_id,
        MEDIAN(price) AS price_median,
        MIN(price) AS price_low,
        MAX(price) AS price_high,
        MAX(occurred_us) AS last_us
    FROM priced
    GROUP BY item_id
),

latest AS (
    SELECT priced.item_id, SUM(priced.value) / SUM(priced.quantity) AS price_last
    FROM priced
    INNER JOIN levels ON priced.item_id = levels.item_id AND priced.occurred_us = levels.last_us
    GROUP BY priced.item_id
),

categories AS (
    SELECT items.category, MEDIAN(levels.price_median) AS category_price
    FROM levels
    INNER JOIN items ON levels.item_id = items.item_id
    WHERE items.category IS NOT NULL
    GROUP BY items.category
)

SELECT
    levels.item_id,
    levels.price_median,
    levels.price_low,
    levels.price_high,
    latest.price_last,
    categories.category_price,
    levels.price_median / categories.category_price AS relative_price
FROM levels
INNER JOIN latest ON levels.item_id = latest.item_id
INNER JOIN items ON levels.item_id = items.item_id
LEFT JOIN categories ON items.category = categories.category
