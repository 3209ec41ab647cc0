-- Deliveries as the v4 dialect lists them.

-- name: deliveries
-- Those of this status, coupon and customer, of issues between two instants, both inside, before the place ($7, $8), the
-- newest first; of what is null any.
SELECT d.coupon_id, d.kind, cu.customer_id, d.status, c.external_code,
       CASE WHEN d.is_next AND d.begun_at IS NULL THEN d.due_at END AS next_attempt_at
FROM deliveries d JOIN customers cu USING (customer_no) JOIN coupons c ON c.id = d.coupon_id
WHERE d.partner_id = $1 AND ($2::text IS NULL OR d.status = $2) AND ($3::uuid IS NULL OR d.coupon_id = $3)
  AND ($4::text IS NULL OR d.customer_no = (SELECT customer_no FROM customers WHERE partner_id = $1 AND customer_id = $4))
  AND ($5::timestamptz IS NULL OR d.at >= $5) AND ($6::timestamptz IS NULL OR d.at <= $6)
  AND ($7::timestamptz IS NULL OR (d.at, d.number) < ($7, $8::bigint))
ORDER BY d.at DESC, d.number DESC LIMIT $9;

-- name: attempts
-- The attempts at these, in their order.
SELECT a.coupon_id, a.kind, a.at, a.status, a.error, a.duration_ms, a.detail, a.request::text AS request
FROM delivery_attempts a JOIN unnest($1::uuid[], $2::text[]) AS named (coupon_id, kind) USING (coupon_id, kind)
ORDER BY a.number;
