-- Coupons whose validity is over but which nobody has closed yet.

-- name: clock
-- The instant that counts: the database's clock, moved by the test clock.
SELECT clock_timestamp() + $1::interval;

-- name: lapsed
-- Open coupons of these games that are over at the instant, or were at the newest one decided for their customer.
SELECT c.id, cu.partner_id, cu.customer_id
FROM coupons c JOIN customers cu USING (customer_no)
WHERE c.game_id = ANY($1::bigint[]) AND c.status IN ('active', 'reserved')
  AND c.expires_at <= greatest($2::timestamptz, cu.last_at);

-- name: close
-- Close those still open, with what their event needs.
UPDATE coupons c SET status = 'expired', reserved_until = NULL, reserved_shop_id = NULL
FROM customers cu
WHERE c.id = ANY($1::uuid[]) AND c.status IN ('active', 'reserved') AND cu.customer_no = c.customer_no
RETURNING c.id, c.code, c.code_prefix, c.partner_id, c.game_id, c.expires_at, cu.customer_id,
          (SELECT count(*) FROM coupon_history h WHERE h.coupon_id = c.id)::integer AS steps;
