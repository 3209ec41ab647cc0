-- Points that were spent on coupons. By `ledger_by_spending`, which holds no other entries.

-- name: spendings
-- Entries that took points for a coupon, of events after $1 up to $2, each with what was bought: the coupon that its decision
-- names, if that comes of it.
SELECT l.customer_no, l.number, l.partner_id, l.event_key, l.source_id, l.points, l.balance, d.program_version, c.id AS coupon_id,
       c.terms
FROM ledger l
LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = l.event_key LIMIT 1) AS d ON true
LEFT JOIN LATERAL (
    SELECT c.id, c.terms FROM coupons c
    WHERE c.id = d.coupon_id AND (c.event_key, c.customer_no, c.source_kind, c.source_id)
          = (l.event_key, l.customer_no, 'redemption', l.source_id) LIMIT 1
) AS c ON true
WHERE l.kind = 'spent' AND l.event_key > $1 AND l.event_key <= $2 AND l.source_kind = 'redemption';
