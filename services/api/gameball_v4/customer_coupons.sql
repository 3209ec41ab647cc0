-- A customer's coupons as the v4 dialect shows them.

-- name: coupons
-- Those after this one, the oldest first, of a game with its reward. Gathered by their owner before they are sorted: a walk
-- along all coupons in the order of their ids would have the same rows, and pass by everybody else's.
SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place, c.steps,
       c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id, c.source_kind, c.source_id,
       c.terms, c.used_count, c.external_code, c.code_pending, c.program_version, g.reward_description
FROM (SELECT * FROM coupons WHERE customer_no = $1 AND ($2::uuid IS NULL OR id > $2) OFFSET 0) AS c
LEFT JOIN games g ON g.id = c.game_id
ORDER BY c.id LIMIT $3;
