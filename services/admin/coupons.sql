-- Coupons as people ask for them.

-- name: list_coupons
-- A page of coupons, newest first, below an id. The status is the one in effect at the instant: time limits count
-- without anybody having recorded them. Each filter is skipped when null.
SELECT * FROM (
    SELECT c.id AS coupon_id, c.code, c.code_prefix, c.external_code, c.partner_id, c.game_id, cu.customer_id,
           CASE WHEN c.status IN ('active', 'reserved') AND c.expires_at <= $2 THEN 'expired'
                WHEN c.status = 'reserved' AND c.reserved_until <= $2 THEN 'active'
                ELSE c.status END AS status,
           c.issued_at, c.expires_at
    FROM coupons c JOIN customers cu USING (customer_no)
    WHERE ($1::uuid IS NULL OR c.id < $1)
      AND ($3::bigint IS NULL OR c.partner_id = $3)
      AND ($4::text IS NULL OR cu.customer_id = $4)
      AND ($5::bigint IS NULL OR c.game_id = $5)
) AS shown
WHERE $6::text IS NULL OR status = $6
ORDER BY coupon_id DESC
LIMIT $7;
