-- Customers of whom one can touch the other, and what their events share.

-- name: told_again
-- Orders of which more than one event tells: what they have earned must be remembered. The lowest and highest customer.
SELECT order_id, min(customer_no) AS lowest, max(customer_no) AS highest
FROM decisions WHERE partner_id = $1 AND order_id IS NOT NULL GROUP BY order_id HAVING count(*) > 1;

-- name: tellers
-- Everybody who tells of these orders.
SELECT DISTINCT order_id, customer_no FROM decisions WHERE partner_id = $1 AND order_id = ANY ($2::text[]);

-- name: brought
-- Customers who were brought, and by whom.
SELECT p.customer_no, cu.customer_no AS referrer_no
FROM profiles p JOIN customers cu ON cu.partner_id = p.partner_id AND cu.customer_id = p.referred_by
WHERE p.partner_id = $1 AND p.referred_by IS NOT NULL;
