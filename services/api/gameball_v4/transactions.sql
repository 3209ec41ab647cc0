-- Entries of the ledger as the v4 dialect lists them.

-- name: transactions
-- What moved points after this entry, the oldest first; of these signs, kinds and sources.
SELECT l.id, c.customer_id, l.kind, l.points, l.balance, l.at, l.expires_at, l.reason, l.source_kind, l.source_id, l.order_id,
       l.event_key
FROM ledger l JOIN customers c USING (customer_no)
WHERE l.partner_id = $1 AND l.id > $2 AND sign(l.points) = ANY($3::integer[])
  AND l.kind || ' ' || l.source_kind = ANY($4::text[])
ORDER BY l.id LIMIT $5;

-- name: transactions_of_customer
-- The same of one customer, whose entries are numbered in the order of their ids.
SELECT l.id, c.customer_id, l.kind, l.points, l.balance, l.at, l.expires_at, l.reason, l.source_kind, l.source_id, l.order_id,
       l.event_key
FROM ledger l JOIN customers c USING (customer_no)
WHERE l.partner_id = $1 AND l.id > $2 AND sign(l.points) = ANY($3::integer[])
  AND l.kind || ' ' || l.source_kind = ANY($4::text[]) AND l.customer_no = $6
ORDER BY l.number LIMIT $5;

-- name: entry_of_transaction
-- The entry that a partner booked by hand under this id.
SELECT l.id FROM manual_transactions m JOIN ledger l USING (customer_no, number)
WHERE m.partner_id = $1 AND m.transaction_id = $2;

-- name: coupons_of_decisions
-- The coupon that each of these decisions took points for, or gave some back for. By `redemptions_undone`.
SELECT named.event_key, c.code, c.code_prefix, c.external_code
FROM unnest($1::uuid[]) AS named (event_key)
CROSS JOIN LATERAL (
    SELECT d.coupon_id FROM decisions d WHERE d.event_key = named.event_key AND d.coupon_id IS NOT NULL
    UNION ALL
    SELECT h.coupon_id FROM coupon_history h WHERE h.event_key = named.event_key AND h.reason = 'redemption_undone'
    LIMIT 1
) AS concerned
CROSS JOIN LATERAL (SELECT * FROM coupons k WHERE k.id = concerned.coupon_id OFFSET 0) AS c;
