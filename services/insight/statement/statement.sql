-- What there is of one customer. Every one of these goes by a key: a customer's own rows, and no others.

-- name: customer
-- A partner's customer, with the card held; one that was deleted is nobody's.
SELECT cu.customer_no, p.name AS partner, c.title AS card
FROM customers cu
JOIN partners p ON p.id = cu.partner_id
LEFT JOIN profiles pr ON pr.customer_no = cu.customer_no
LEFT JOIN cards c ON c.id = pr.card_id AND c.deleted_at IS NULL
WHERE cu.partner_id = $1 AND cu.customer_id = $2;

-- name: coupons
-- Their coupons, newest first; of a game with its reward.
SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place, c.steps,
       c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id, c.source_kind, c.source_id,
       c.terms, c.used_count, c.external_code, c.code_pending, c.program_version, g.reward_description
FROM coupons c LEFT JOIN games g ON g.id = c.game_id
WHERE c.customer_no = $1
ORDER BY c.id DESC;

-- name: entries
-- The last entries of their ledger, the newest first, each with the event that made it (null: time did).
SELECT l.*, d.event_id
FROM ledger l LEFT JOIN decisions d ON d.event_key = l.event_key
WHERE l.customer_no = $1
ORDER BY l.number DESC
LIMIT $2;
