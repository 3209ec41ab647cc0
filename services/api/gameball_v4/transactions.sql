-- Entries of the ledger as the v4 dialect lists them.

-- name: transactions
-- What moved points after this entry, the oldest first; of these signs, kinds and sources.
SELECT l.id, c.customer_id, l.kind, l.points, l.balance, l.at, l.expires_at, l.reason, l.source_kind, l.source_id, l.order_id
FROM ledger l JOIN customers c USING (customer_no)
WHERE l.partner_id = $1 AND l.id > $2 AND sign(l.points) = ANY($3::integer[])
  AND l.kind || ' ' || l.source_kind = ANY($4::text[])
ORDER BY l.id LIMIT $5;

-- name: transactions_of_customer
-- The same of one customer, whose entries are numbered in the order of their ids.
SELECT l.id, c.customer_id, l.kind, l.points, l.balance, l.at, l.expires_at, l.reason, l.source_kind, l.source_id, l.order_id
FROM ledger l JOIN customers c USING (customer_no)
WHERE l.partner_id = $1 AND l.id > $2 AND sign(l.points) = ANY($3::integer[])
  AND l.kind || ' ' || l.source_kind = ANY($4::text[]) AND l.customer_no = $6
ORDER BY l.number LIMIT $5;

-- name: entry_of_transaction
-- The entry that a partner booked by hand under this id.
SELECT l.id FROM manual_transactions m JOIN ledger l USING (customer_no, number)
WHERE m.partner_id = $1 AND m.transaction_id = $2;
