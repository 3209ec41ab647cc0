-- What orders have earned, against the ledger.

-- name: end_of_purchases
-- The order with which a page ends.
SELECT partner_id, order_id FROM purchases WHERE (partner_id, order_id) > ($1::bigint, $2::text COLLATE "C")
ORDER BY partner_id, order_id OFFSET $3 LIMIT 1;

-- name: orders_astray
-- Orders of customers after $1 up to $2 of which not as much is left in the ledger as their refund leaves. Points and score
-- earned by rate go in proportion, rounded down; what campaigns gave goes with the whole.
WITH left_of AS MATERIALIZED (
    SELECT l.customer_no, l.partner_id, l.order_id,
           coalesce(sum(l.points_earned) FILTER (WHERE l.source_kind = 'order'), 0) AS points,
           coalesce(sum(l.score) FILTER (WHERE l.source_kind = 'order'), 0) AS score,
           sum(l.spent) AS spent, sum(l.orders) AS orders,
           coalesce(sum(l.points_earned) FILTER (WHERE l.source_kind = 'campaign'), 0) AS granted_points,
           coalesce(sum(l.score) FILTER (WHERE l.source_kind = 'campaign'), 0) AS granted_score
    FROM ledger l
    WHERE l.customer_no > $1 AND l.customer_no <= $2 AND l.order_id IS NOT NULL AND l.kind IN ('earned', 'reversed')
    GROUP BY l.customer_no, l.partner_id, l.order_id
)
SELECT f.customer_no, f.partner_id, f.order_id, array_remove(ARRAY[
    CASE WHEN p.order_id IS NULL THEN 'has entries, and has not earned' END,
    CASE WHEN (f.points, f.score, f.spent, f.orders) <> (
             p.points - due.points, p.score - due.score, p.amount - p.refunded, CASE WHEN p.is_closed THEN 0 ELSE 1 END)
         THEN 'has not left what its refund leaves of it' END,
    CASE WHEN p.is_closed AND (f.granted_points, f.granted_score) <> (0, 0)
         THEN 'counts no more, and what its campaigns gave does' END
], NULL) AS faults
FROM left_of f
LEFT JOIN LATERAL (
    SELECT * FROM purchases p
    WHERE p.partner_id = f.partner_id AND p.order_id = f.order_id AND p.customer_no = f.customer_no LIMIT 1
) AS p ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN p.is_closed THEN p.points WHEN p.refunded > 0 THEN div(p.points * p.refunded, p.amount) ELSE 0 END AS points,
           CASE WHEN p.is_closed THEN p.score WHEN p.refunded > 0 THEN div(p.score * p.refunded, p.amount) ELSE 0 END AS score
) AS due
WHERE p.order_id IS NULL
   OR (f.points, f.score, f.spent, f.orders) <> (
          p.points - due.points, p.score - due.score, p.amount - p.refunded, CASE WHEN p.is_closed THEN 0 ELSE 1 END)
   OR p.is_closed AND (f.granted_points, f.granted_score) <> (0, 0);

-- name: purchases_astray
-- Orders of a page that are not what the entry says which they earned by; and coupons that they say to have been granted:
-- that are not there, or that are open though their order counts no more and nobody ever used them.
WITH page AS MATERIALIZED (
    SELECT * FROM purchases
    WHERE (partner_id, order_id) > ($1::bigint, $2::text COLLATE "C") AND (partner_id, order_id) <= ($3::bigint, $4::text COLLATE "C")
), coupons_of AS (
    SELECT p.partner_id, p.order_id, p.customer_no, named.coupon_id, CASE
        WHEN c.id IS NULL THEN 'granted coupon ' || named.coupon_id || ', which is not there'
        WHEN c.event_key <> p.event_key OR c.source_kind <> 'campaign' OR c.source_id <> done ->> 'campaign_id'
        THEN 'granted coupon ' || named.coupon_id || ', which comes of something else'
        WHEN p.is_closed AND c.status IN ('active', 'reserved') AND NOT EXISTS (
                 SELECT FROM coupon_history h WHERE h.coupon_id = c.id AND h.word IN ('used', 'redeemed'))
        THEN 'counts no more, and coupon ' || named.coupon_id || ' that it brought is ' || c.status END AS fault
    FROM page p
    CROSS JOIN LATERAL jsonb_array_elements(p.achievements) AS listed (done)
    CROSS JOIN LATERAL jsonb_array_elements_text(done -> 'coupon_ids') AS named (coupon_id)
    LEFT JOIN LATERAL (SELECT * FROM coupons c WHERE c.id = named.coupon_id::uuid LIMIT 1) AS c ON true
)
SELECT p.partner_id, p.order_id, p.customer_no, NULL::text AS coupon_id, 'P9' AS invariant,
       'is not what entry ' || coalesce(p.entry::text, 'none') || ' of its customer says' AS fault, 0::bigint AS orders
FROM page p
WHERE NOT EXISTS (
    SELECT FROM ledger l
    WHERE l.customer_no = p.customer_no AND l.number = p.entry AND l.partner_id = p.partner_id AND l.event_key = p.event_key
      AND (l.kind, l.source_kind, l.source_id, l.points, l.score, l.spent, l.orders)
          = ('earned', 'order', p.order_id, p.points, p.score, p.amount, 1))
UNION ALL
SELECT partner_id, order_id, customer_no, coupon_id, 'P8', fault, 0 FROM coupons_of WHERE fault IS NOT NULL
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, (SELECT count(*) FROM page);
