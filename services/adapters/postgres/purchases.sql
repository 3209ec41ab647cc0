-- Orders of customers whose rows are locked: what they have earned, what was refunded, and which coupons they use.

-- name: purchases
-- What these orders have earned, whoever told of them.
SELECT found.*
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, order_id)
CROSS JOIN LATERAL (
    SELECT p.partner_id, p.order_id, p.customer_no, p.amount, p.points, p.score, p.entry, p.refunded, p.is_closed, p.steps,
           p.achievements
    FROM purchases p WHERE p.partner_id = named.partner_id AND p.order_id = named.order_id OFFSET 0
) AS found;

-- name: refunds_before
-- What was refunded of these orders before they came.
SELECT found.*
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS named (partner_id, order_id, customer_no)
CROSS JOIN LATERAL (
    SELECT r.order_id, r.customer_no, r.refunded FROM refunds_before r
    WHERE r.partner_id = named.partner_id AND r.order_id = named.order_id AND r.customer_no = named.customer_no OFFSET 0
) AS found;

-- name: uses
-- Coupons with terms of which these orders have a use, as they are now; with what the order was worth where it has earned
-- nothing, by the decision that used the coupon, the first one first.
SELECT found.*
FROM unnest($1::bigint[], $2::text[]) AS named (customer_no, order_id)
CROSS JOIN LATERAL (
    SELECT u.order_id, c.customer_no, c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at,
           c.holds_single_place, c.steps, c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at,
           c.redeemed_order_id, c.source_kind, c.source_id, c.terms, c.used_count, c.external_code, c.code_pending,
           c.program_version, d.seq, d.program ->> 'used_for' AS used_for
    FROM coupon_uses u
    JOIN coupons c ON c.id = u.coupon_id
    LEFT JOIN coupon_history h ON h.coupon_id = u.coupon_id AND h.step = u.step
    LEFT JOIN decisions d ON d.event_key = h.event_key
    WHERE u.customer_no = named.customer_no AND u.order_id = named.order_id AND NOT u.given_back OFFSET 0
) AS found
ORDER BY found.seq;

-- name: note_refunds
-- What has been refunded in all.
UPDATE purchases p SET refunded = n.refunded, is_closed = n.is_closed
FROM unnest($1::bigint[], $2::text[], $3::numeric[], $4::boolean[]) AS n (partner_id, order_id, refunded, is_closed)
WHERE p.partner_id = n.partner_id AND p.order_id = n.order_id
RETURNING p.order_id;

-- name: put_refunds_before
-- Refunds by part of orders that have not come.
INSERT INTO refunds_before (partner_id, order_id, customer_no, refunded)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::numeric[])
ON CONFLICT (partner_id, order_id, customer_no) DO UPDATE SET refunded = excluded.refunded;

-- name: clear_refunds_before
-- Those that are over: their order has come, and counts no more.
DELETE FROM refunds_before r
USING unnest($1::bigint[], $2::text[], $3::bigint[]) AS n (partner_id, order_id, customer_no)
WHERE r.partner_id = n.partner_id AND r.order_id = n.order_id AND r.customer_no = n.customer_no;

-- name: put_uses
-- Uses that orders have now.
INSERT INTO coupon_uses (customer_no, order_id, coupon_id, partner_id, step)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::integer[]);

-- name: give_uses_back
-- Uses that orders have no more: as many as the coupon is named with the order, the newest first.
WITH back AS (
    SELECT n.customer_no, n.order_id, n.coupon_id, count(*) AS uses
    FROM unnest($1::bigint[], $2::text[], $3::uuid[]) AS n (customer_no, order_id, coupon_id)
    GROUP BY n.customer_no, n.order_id, n.coupon_id
)
UPDATE coupon_uses u SET given_back = true
FROM back CROSS JOIN LATERAL (
    SELECT s.step FROM coupon_uses s
    WHERE s.customer_no = back.customer_no AND s.order_id = back.order_id AND s.coupon_id = back.coupon_id AND NOT s.given_back
    ORDER BY s.step DESC LIMIT back.uses
) AS newest
WHERE u.customer_no = back.customer_no AND u.order_id = back.order_id AND u.coupon_id = back.coupon_id AND u.step = newest.step;

-- name: standing_uses
-- Orders of a customer that have a use of this coupon, one for each, the newest first.
SELECT order_id FROM coupon_uses WHERE customer_no = $1 AND coupon_id = $2 AND NOT given_back ORDER BY step DESC;
