-- What kinds of things interest a household: one row per household and category that it bought from.
-- key: user_id, category
-- windows: everything known before the moment, with weight that fades with the weeks
-- Items without a category count for no row, but for the household's whole.
-- column user_id: the household
-- column category: the category, as the catalog says it
-- column items: different items bought of it, number
-- column lines: baskets and items of it, one per basket and item, number
-- column decayed_lines: the same, each with the weight 0.9 to the power of its age in weeks, number
-- column interest: its part of the household's decayed lines of all categories, share
-- column last_bought_us: when it was last bought from, microseconds since 1970 (UTC)
WITH whole AS (
    SELECT user_id, SUM(decayed_baskets) AS decayed_lines
    FROM household_items
    GROUP BY user_id
),

bought AS (
    SELECT
        household_items.user_id,
        items.category,
        COUNT(*) AS items,
        CAST(SUM(household_items.baskets) AS BIGINT) AS lines,
        SUM(household_items.decayed_baskets) AS decayed_lines,
        MAX(household_items.last_bought_us) AS last_bought_us
    FROM household_items
    INNER JOIN items ON household_items.item_id = items.item_id
    WHERE items.category IS NOT NULL
    GROUP BY household_items.user_id, items.category
)

SELECT
    bought.user_id,
    bought.category,
    bought.items,
    bought.lines,
    bought.decayed_lines,
    bought.decayed_lines / whole.decayed_lines AS interest,
    bought.last_bought_us
FROM bought
INNER JOIN whole ON bought.user_id = whole.user_id
