-- Whether a household buys the cheap or the dear of a kind: one row per household.
-- key: user_id
-- windows: the 52 weeks of 168 hours before the moment
-- Lines that cost nothing, or whose item has no category, are left out.
-- column user_id: the household
-- column lines: lines that were compared, one per basket and item, number
-- column spend: what was paid for them, shop currency
-- column category_spend: what the same quantities cost at the median price of their categories, shop currency
-- column price_level: spend over category_spend, ratio; above 1 it buys the dear
-- column mean_log_price: mean over the lines of the logarithm of price over category price, above 0 it buys the dear
SELECT
    basket_lines.user_id,
    COUNT(*) AS lines,
    SUM(basket_lines.value) AS spend,
    SUM(basket_lines.quantity * item_prices.category_price) AS category_spend,
    SUM(basket_lines.value) / SUM(basket_lines.quantity * item_prices.category_price) AS price_level,
    AVG(LN(basket_lines.value / basket_lines.quantity / item_prices.category_price)) AS mean_log_price
FROM basket_lines
INNER JOIN item_prices ON basket_lines.item_id = item_prices.item_id
CROSS JOIN moment
WHERE
    basket_lines.occurred_us >= moment.at_us - 31449600000000
    AND basket_lines.value > 0
    AND basket_lines.quantity > 0
    AND item_prices.category_price IS NOT NULL
GROUP BY basket_lines.user_id
