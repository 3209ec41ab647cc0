-- Friends whom customers have brought, as the v4 dialect lists them.

-- name: friends
-- Whom this customer has brought, after the one of this number. Who is referred has registered.
SELECT c.customer_id, p.registered_at, p.referral_key IS NOT NULL AS is_completed
FROM profiles p JOIN customers c USING (customer_no)
WHERE p.partner_id = $1 AND p.referred_by = $2 AND p.customer_no > $3
ORDER BY p.customer_no LIMIT $4;
