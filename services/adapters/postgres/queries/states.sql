-- What the rules need to know of the customers at hand, whose rows are locked. Keyed look-ups, see inbox.sql.

-- name: single_coupons
-- The open coupon, if any, of each (customer, game) pair under the single rule.
SELECT held.customer_no, held.id, held.code, held.code_prefix, held.game_id, held.status, held.issued_at,
       held.expires_at, held.holds_single_place, held.steps, held.notice_at, held.reserved_until,
       held.reserved_shop_id, held.redeemed_at, held.redeemed_order_id
FROM unnest($1::bigint[], $2::bigint[]) AS named (customer_no, game_id)
CROSS JOIN LATERAL (
    SELECT * FROM coupons c
    WHERE c.customer_no = named.customer_no AND c.game_id = named.game_id
      AND c.holds_single_place AND c.status IN ('active', 'reserved')
    LIMIT 1
) AS held;

-- name: coupons_of_codes
-- The coupons that codes name, whoever owns them.
SELECT partner_id, customer_no, id, code, code_prefix, game_id, status, issued_at, expires_at, holds_single_place,
       steps, notice_at, reserved_until, reserved_shop_id, redeemed_at, redeemed_order_id
FROM coupons WHERE code = ANY($1::text[]);

-- name: coupons_of_orders
-- The coupons that each (customer, order) pair has redeemed.
SELECT used.customer_no, used.id, used.code, used.code_prefix, used.game_id, used.status, used.issued_at,
       used.expires_at, used.holds_single_place, used.steps, used.notice_at, used.reserved_until,
       used.reserved_shop_id, used.redeemed_at, used.redeemed_order_id
FROM unnest($1::bigint[], $2::text[]) AS named (customer_no, order_id)
CROSS JOIN LATERAL (
    SELECT * FROM coupons c
    WHERE c.customer_no = named.customer_no AND c.redeemed_order_id = named.order_id
    OFFSET 0
) AS used;

-- name: reversed_orders
-- Those of each customer's orders that were reversed.
SELECT found.customer_no, found.order_id
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS named (partner_id, order_id, customer_no)
CROSS JOIN LATERAL (
    SELECT * FROM reversed_orders o
    WHERE o.partner_id = named.partner_id AND o.order_id = named.order_id AND o.customer_no = named.customer_no
    LIMIT 1
) AS found;

-- name: order_stamps
-- Every stamp of each order, whichever customer it was for.
SELECT named.partner_id, named.order_id, marks.game_id, marks.customer_no, marks.card_no, marks.taken_back
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, order_id)
CROSS JOIN LATERAL (
    SELECT * FROM order_stamps s WHERE s.partner_id = named.partner_id AND s.order_id = named.order_id OFFSET 0
) AS marks;

-- name: stamp_cards
-- The cards these customers are filling.
SELECT customer_no, game_id, card_no, stamps FROM stamp_cards WHERE customer_no = ANY($1::bigint[]);

-- name: past_issues
-- Instants of the newest issues, as many as asked for, of each (customer, game) pair.
SELECT named.customer_no, named.game_id, past.issued_at
FROM unnest($1::bigint[], $2::bigint[], $3::integer[]) AS named (customer_no, game_id, wanted)
CROSS JOIN LATERAL (
    SELECT c.issued_at FROM coupons c
    WHERE c.customer_no = named.customer_no AND c.game_id = named.game_id
    ORDER BY c.issued_at DESC LIMIT named.wanted
) AS past;
