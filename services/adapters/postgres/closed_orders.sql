-- Orders that count no more.

-- name: reversed_orders
-- Those of each customer's orders that were reversed.
SELECT found.customer_no, found.order_id
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS named (partner_id, order_id, customer_no)
CROSS JOIN LATERAL (
    SELECT * FROM reversed_orders o
    WHERE o.partner_id = named.partner_id AND o.order_id = named.order_id AND o.customer_no = named.customer_no
    LIMIT 1
) AS found;
