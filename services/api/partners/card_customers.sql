-- Customers who hold a card, as the partner API lists them. Row-level security leaves only the partner's own.

-- name: holders
-- A page of those who hold this card, those first who were known first: along the index `profiles_by_card`.
SELECT c.customer_id, held.card_since
FROM (SELECT customer_no, card_since FROM profiles WHERE card_id = $1 ORDER BY customer_no OFFSET $2 LIMIT $3) AS held
JOIN customers c USING (customer_no)
ORDER BY held.customer_no;

-- name: count_holders
-- How many hold it, counted up to $2.
SELECT count(*) FROM (SELECT FROM profiles WHERE card_id = $1 LIMIT $2) AS counted;

-- name: is_known
-- Whether this customer has ever done anything.
SELECT EXISTS (SELECT FROM customers WHERE partner_id = $1 AND customer_id = $2);
