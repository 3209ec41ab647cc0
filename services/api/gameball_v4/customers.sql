-- Customers as the v4 dialect shows them.

-- name: customer
-- The customer of this id, and the instant that counts for them.
SELECT customer_no, greatest(last_at, clock_timestamp() + $3::interval) AS at
FROM customers WHERE partner_id = $1 AND customer_id = $2;
