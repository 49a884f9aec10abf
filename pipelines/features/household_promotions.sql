-- How a household answers promotions and discounts: one row per household that bought or redeemed.
-- key: user_id
-- windows: the 52 weeks of 168 hours before the moment; redemptions: everything known before it
-- column user_id: the household
-- column redemptions: coupons redeemed, number
-- column campaigns_redeemed: different campaigns of which it redeemed a coupon, number
-- column last_redeemed_us: when it last redeemed one, microseconds since 1970 (UTC); empty without one
-- column lines: lines in the 52 weeks, one per basket and item, number
-- column promoted_lines: those whose item was on promotion when it was bought, number
-- column promoted_share: promoted_lines over lines, share; empty without lines
-- column promotion_lift: promoted_share over that of all households together, ratio; empty when nothing was on promotion
-- column discounted_share: purchases with a discount over all of its purchases, share; empty without purchases
-- column discount_rate: discounts over the price before them, share; empty when that is 0
WITH redemptions AS (
    SELECT
        user_id,
        COUNT(*) AS redemptions,
        COUNT(DISTINCT campaign_id) AS campaigns_redeemed,
        MAX(occurred_us) AS last_redeemed_us
    FROM known_events
    WHERE event_type = 'redemption'
    GROUP BY user_id
),

bought AS (
    SELECT basket_lines.user_id, COUNT(*) AS lines, COUNT(promotion_spans.item_id) AS promoted_lines
    FROM basket_lines
    CROSS JOIN moment
    LEFT JOIN promotion_spans
        ON
            basket_lines.item_id = promotion_spans.item_id
            AND basket_lines.occurred_us >= promotion_spans.from_us
            AND basket_lines.occurred_us < promotion_spans.until_us
    WHERE basket_lines.occurred_us >= moment.at_us - 31449600000000
    GROUP BY basket_lines.user_id
),

discounts AS (
    SELECT
        known_events.user_id,
        COUNT(*) AS purchases,
        COUNT(CASE WHEN known_events.discount > 0 THEN 1 END) AS discounted,
        SUM(COALESCE(known_events.discount, 0)) AS discount,
        SUM(COALESCE(known_events.value, 0) + COALESCE(known_events.discount, 0)) AS full_price
    FROM known_events
    INNER JOIN items ON known_events.item_id = items.item_id
    CROSS JOIN moment
    WHERE
        known_events.event_type = 'purchase'
        AND items.recommendable
        AND known_events.occurred_us >= moment.at_us - 31449600000000
    GROUP BY known_events.user_id
),

shop AS (
    SELECT SUM(promoted_lines) / CAST(SUM(lines) AS DOUBLE) AS promoted_share
    FROM bought
),

shoppers AS (
    SELECT user_id FROM households
    UNION
    SELECT user_id FROM redemptions
)

SELECT
    shoppers.user_id,
    COALESCE(redemptions.redemptions, 0) AS redemptions,
    COALESCE(redemptions.campaigns_redeemed, 0) AS campaigns_redeemed,
    redemptions.last_redeemed_us,
    COALESCE(bought.lines, 0) AS lines,
    COALESCE(bought.promoted_lines, 0) AS promoted_lines,
    bought.promoted_lines / CAST(bought.lines AS DOUBLE) AS promoted_share,
    bought.promoted_lines / CAST(bought.lines AS DOUBLE) / NULLIF(shop.promoted_share, 0) AS promotion_lift,
    discounts.discounted / CAST(discounts.purchases AS DOUBLE) AS discounted_share,
    CASE WHEN discounts.full_price > 0 THEN discounts.discount / discounts.full_price END AS discount_rate
FROM shoppers
CROSS JOIN shop
LEFT JOIN redemptions ON shoppers.user_id = redemptions.user_id
LEFT JOIN bought ON shoppers.user_id = bought.user_id
LEFT JOIN discounts ON shoppers.user_id = discounts.user_id
