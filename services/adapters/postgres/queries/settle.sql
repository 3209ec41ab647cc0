-- Coupons that time alone has changed, or whose customers are due a notice.

-- name: clock
-- The instant that counts: the database's clock, moved by the test clock.
SELECT clock_timestamp() + $1::interval;

-- name: lapsed_of_games
-- Open coupons of these games that are over at the instant, or were at the newest one decided for their customer.
SELECT c.id, cu.partner_id, cu.customer_id
FROM coupons c JOIN customers cu USING (customer_no)
WHERE c.game_id = ANY($1::bigint[]) AND c.status IN ('active', 'reserved')
  AND c.expires_at <= greatest($2::timestamptz, cu.last_at);

-- name: backlog
-- How many rows of the outbox wait from $1 on, counted up to $2, and the lowest of them; if none does, the last id given.
SELECT count(*) AS waiting, coalesce(min(id), (SELECT last_value FROM outbox_id_seq)) AS lowest
FROM (SELECT id FROM outbox WHERE id >= $1 AND refused IS NULL ORDER BY id LIMIT $2) AS first_ones;

-- name: due
-- Customers nobody else is working on, of the coupons due first: several sweepers do not step on each other.
SELECT due.id, cu.partner_id, cu.customer_id
FROM (
    SELECT c.id, c.customer_no FROM coupons c
    WHERE c.status IN ('active', 'reserved') AND (c.expires_at IS NOT NULL OR c.reserved_until IS NOT NULL)
      AND least(c.notice_at, c.reserved_until, c.expires_at) <= $1::timestamptz
    ORDER BY least(c.notice_at, c.reserved_until, c.expires_at) LIMIT $2
) AS due
JOIN customers cu USING (customer_no)
ORDER BY cu.partner_id, cu.customer_id
FOR UPDATE OF cu SKIP LOCKED;

-- name: coupons
-- These coupons as they are now, with whose they are.
SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place, c.steps,
       c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id,
       c.partner_id, c.customer_no, cu.customer_id
FROM coupons c JOIN customers cu USING (customer_no)
WHERE c.id = ANY($1::uuid[]) ORDER BY c.id;
