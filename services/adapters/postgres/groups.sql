-- What groups of coupons have given and still have, see `group_counts` and `pool_codes`. The counts are kept by triggers.

-- name: stock
-- What is committed of these groups, with the next codes of a pool, as many as wanted. A code that a coupon has got by
-- another way since it came is passed by.
SELECT g.partner_id, g.handle, g.issued, g.has_pool, free.code, free.own_code, free.own_prefix
FROM unnest($1::bigint[], $2::text[], $3::integer[]) AS named (partner_id, handle, wanted)
JOIN group_counts g USING (partner_id, handle)
LEFT JOIN LATERAL (
    SELECT p.code, p.own_code, p.own_prefix, p.number FROM pool_codes p
    WHERE p.partner_id = g.partner_id AND p.handle = g.handle AND p.coupon_id IS NULL
      AND NOT EXISTS (SELECT FROM coupons c WHERE c.partner_id = p.partner_id AND c.external_code = p.code)
    ORDER BY p.number LIMIT named.wanted
) AS free ON g.has_pool
ORDER BY g.partner_id, g.handle, free.number;

-- name: make
-- The rows of groups that have none yet. Before any is locked: whoever waits here holds none.
INSERT INTO group_counts (partner_id, handle)
SELECT partner_id, handle FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, handle)
ORDER BY partner_id, handle COLLATE "C"
ON CONFLICT DO NOTHING;

-- name: lock
-- Hold these groups until the end of the transaction, everybody in one order.
SELECT FROM group_counts g JOIN unnest($1::bigint[], $2::text[]) AS named (partner_id, handle) USING (partner_id, handle)
ORDER BY g.partner_id, g.handle
FOR UPDATE OF g;

-- name: give_codes
-- These coupons have these codes, if nobody else has come first.
UPDATE pool_codes p SET coupon_id = n.coupon_id
FROM unnest($1::bigint[], $2::text[], $3::uuid[]) AS n (partner_id, code, coupon_id)
WHERE p.partner_id = n.partner_id AND p.code = n.code AND p.coupon_id IS NULL
RETURNING p.code;

-- name: of_customers
-- How many coupons of these groups customers have that are not cancelled, by customer number and handle.
SELECT named.customer_no, named.handle, held.coupons
FROM unnest($1::bigint[], $2::text[]) AS named (customer_no, handle)
CROSS JOIN LATERAL (
    SELECT count(*) AS coupons FROM coupons c
    WHERE c.customer_no = named.customer_no AND c.terms ->> 'group' = named.handle AND c.status <> 'cancelled'
) AS held
WHERE held.coupons > 0;
