-- Customers as the v4 dialect names them.

-- name: number
-- The number of the customer of this id.
SELECT customer_no FROM customers WHERE partner_id = $1 AND customer_id = $2;

-- name: asking
-- The revision of a partner's program, the number of its customer of this id, and the instant that counts for them.
SELECT g.revision, c.customer_no, greatest(c.last_at, clock_timestamp() + $3::interval) AS at
FROM programs g LEFT JOIN customers c ON c.partner_id = g.partner_id AND c.customer_id = $2
WHERE g.partner_id = $1;
