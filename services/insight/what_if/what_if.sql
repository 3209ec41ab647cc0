-- What happened to a game, in the order in which it was decided: numbers are given under the customer's lock, so a
-- customer's are in order, and where a total limit binds, everybody's are.

-- name: game
-- The game as it is now, with its partner's zone.
SELECT g.*, p.time_zone FROM games g JOIN partners p ON p.id = g.partner_id WHERE g.id = $1;

-- name: skus
-- The SKUs of these products of the partner.
SELECT id, sku FROM products WHERE partner_id = $1 AND id = ANY($2::bigint[]) AND sku IS NOT NULL;

-- name: versions
-- Every version of its rules.
SELECT version, rules, valid_from, decided_before FROM game_versions WHERE game_id = $1 ORDER BY version;

-- name: steps
-- Stands for :steps in the two queries below: what was done with the `coupon` of a decision `d`, column by column.
SELECT array_agg(s.word) AS words, array_agg(s.at) AS instants, array_agg(s.seq) AS numbers,
       array_agg(s.order_id) AS order_ids,
       CASE WHEN bool_or(s.word = 'reinstated')
            THEN (SELECT c.holds_single_place FROM coupons c WHERE c.id = coupon.id) END AS under_single
FROM (
    SELECT h.word, h.at, by.seq, h.order_id, h.step, false AS is_try
    FROM coupon_history h LEFT JOIN decisions by ON by.event_key = h.event_key
    WHERE h.coupon_id = coupon.id
      AND (h.word IN ('redeemed', 'cancelled') OR h.word = 'reinstated' AND h.event_key IS NULL)
    UNION ALL
    SELECT 'reinstated', r.decided_at, r.seq, h.order_id, h.step, true
    FROM coupon_history h
    CROSS JOIN LATERAL (
        SELECT decided_at, seq FROM decisions r
        WHERE r.customer_no = d.customer_no AND r.order_id = h.order_id AND r.event_type <> 'order.placed'
          AND r.reason IS NULL
        ORDER BY r.seq LIMIT 1
    ) AS r
    WHERE h.coupon_id = coupon.id AND h.word = 'redeemed' AND h.order_id IS NOT NULL
    ORDER BY at, step, is_try
) AS s;

-- name: completions
-- Its completions, each with what was done with its coupon: redeemed or cancelled, reinstated by staff, and every
-- reversal of an order that had redeemed it, which other rules may answer otherwise. A step names the decision that
-- took it, if one did.
SELECT d.seq, d.decided_at, d.occurred_at, d.customer_no, d.rule_version, d.won, d.reason,
       uuid_send(d.coupon_id), uuid_send(d.blocking_coupon_id),
       taken.words, taken.instants, taken.numbers, taken.order_ids, taken.under_single
FROM decisions d
CROSS JOIN LATERAL (SELECT d.coupon_id AS id) AS coupon
LEFT JOIN LATERAL (:steps) AS taken ON d.coupon_id IS NOT NULL
WHERE d.game_id = $1 AND ($2::timestamptz IS NULL OR d.decided_at < $2)
ORDER BY d.seq;

-- name: completions_and_orders
-- The same, and all of the partner's orders and reversals: those that may stamp its cards.
SELECT d.seq, d.decided_at, d.occurred_at, d.customer_no, d.rule_version, d.won, d.reason,
       uuid_send(coalesce(earned.id, CASE WHEN d.order_id IS NULL THEN d.coupon_id END)), uuid_send(d.blocking_coupon_id),
       taken.words, taken.instants, taken.numbers, taken.order_ids, taken.under_single,
       d.order_id, d.event_type, stamps.event_key IS NOT NULL, d.topic, d.partition, d."offset"
FROM decisions d
LEFT JOIN LATERAL (
    SELECT c.id FROM coupons c
    WHERE c.customer_no = d.customer_no AND c.game_id = $1 AND c.event_key = d.event_key
    LIMIT 1
) AS earned ON d.order_id IS NOT NULL AND d.coupon_id IS NOT NULL
LEFT JOIN order_stamps stamps
    ON stamps.partner_id = d.partner_id AND stamps.order_id = d.order_id COLLATE "C" AND stamps.game_id = $1
    AND stamps.event_key = d.event_key
CROSS JOIN LATERAL (SELECT coalesce(earned.id, d.coupon_id) AS id) AS coupon
LEFT JOIN LATERAL (:steps) AS taken ON d.order_id IS NULL AND d.coupon_id IS NOT NULL OR earned.id IS NOT NULL
WHERE (d.game_id = $1 OR (d.partner_id = $3 AND d.order_id IS NOT NULL))
  AND ($2::timestamptz IS NULL OR d.decided_at < $2)
ORDER BY d.seq;

-- name: customer_ids
-- The ids of these customers.
SELECT customer_no, customer_id FROM customers WHERE customer_no = ANY($1::bigint[]);

-- name: events_decided
-- Which events these decisions of customers were about.
SELECT d.seq, d.event_id, d.event_source, cu.customer_id
FROM unnest($1::bigint[], $2::bigint[]) AS named (customer_no, seq)
JOIN decisions d ON d.customer_no = named.customer_no AND d.seq = named.seq
LEFT JOIN customers cu ON cu.customer_no = d.customer_no
ORDER BY d.seq;
