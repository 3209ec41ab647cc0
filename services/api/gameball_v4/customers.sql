-- Customers as the v4 dialect names them.

-- name: number
-- The number of the customer of this id.
SELECT customer_no FROM customers WHERE partner_id = $1 AND customer_id = $2;
