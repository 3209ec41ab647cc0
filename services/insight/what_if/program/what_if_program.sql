-- A partner's history under its program, in the order in which it was decided: numbers are given under the customer's
-- lock, so a customer's are in order.

-- name: decisions
-- Everything decided of the partner; of what we tell ourselves the id says from what it follows.
SELECT d.decided_at, d.customer_no, d.event_key, d.event_type, d.event_id, d.topic, d.partition, d."offset",
       d.program_version, d.game_id, d.rule_version, d.occurred_at
FROM decisions d WHERE d.partner_id = $1 ORDER BY d.seq;

-- name: told_again
-- Orders of which more than one event tells: what they have earned must be remembered.
SELECT order_id FROM decisions WHERE partner_id = $1 AND order_id IS NOT NULL GROUP BY order_id HAVING count(*) > 1;

-- name: completed_referrals
-- Decisions whose referrals really were told and decided, by what the follow-ups' ids say.
SELECT event_id FROM decisions WHERE partner_id = $1 AND event_type = 'referral.completed';

-- name: referrers
-- Customers by id who brought others.
SELECT cu.customer_id, cu.customer_no
FROM (SELECT DISTINCT referred_by FROM profiles WHERE partner_id = $1 AND referred_by IS NOT NULL) AS named
JOIN customers cu ON cu.partner_id = $1 AND cu.customer_id = named.referred_by;

-- name: coupons_stepped
-- Coupons with terms that something was done with, by the event that granted them; when staff ended one, if they did.
SELECT c.event_key, c.source_kind, c.source_id, c.code, c.code_prefix,
       (SELECT min(h.at) FROM coupon_history h
        WHERE h.coupon_id = c.id AND h.event_key IS NULL AND h.word IN ('redeemed', 'cancelled')) AS ended_at
FROM coupons c WHERE c.partner_id = $1 AND c.terms IS NOT NULL AND c.steps > 0
ORDER BY c.id;

-- name: entries
-- What these events of these customers wrote into the ledger.
SELECT event_key, kind, source_kind, source_id, points, points_earned, score, spent, orders, referrals, order_id, reason,
       expires_at
FROM ledger WHERE customer_no = ANY ($1::bigint[]) AND event_key = ANY ($2::uuid[])
ORDER BY customer_no, number;

-- name: coupons_granted
-- How many coupons with terms these events of these customers granted.
SELECT event_key, count(*) AS coupons FROM coupons
WHERE customer_no = ANY ($1::bigint[]) AND event_key = ANY ($2::uuid[]) AND terms IS NOT NULL
GROUP BY event_key;

-- name: game_version
-- A game as it was at that version, with its partner's zone.
SELECT v.rules, p.time_zone FROM game_versions v JOIN games g ON g.id = v.game_id JOIN partners p ON p.id = g.partner_id
WHERE v.game_id = $1 AND v.version = $2;

-- name: ended
-- What every customer has in the end, at that instant: points that are over by then do not count.
SELECT cu.customer_no, cu.customer_id, coalesce(w.balance, 0) - coalesce(over.points, 0) AS points, w.tier_name AS tier,
       coalesce(granted.coupons, 0) AS granted, coalesce(granted.of_games, 0) AS of_games
FROM customers cu
LEFT JOIN wallets w USING (customer_no)
LEFT JOIN (SELECT customer_no, sum(remaining)::bigint AS points FROM lots
           WHERE partner_id = $1 AND remaining > 0 AND expires_at <= $2 GROUP BY customer_no) AS over USING (customer_no)
LEFT JOIN (SELECT customer_no, count(*) FILTER (WHERE terms IS NOT NULL) AS coupons,
                  count(*) FILTER (WHERE terms IS NULL) AS of_games
           FROM coupons WHERE partner_id = $1 GROUP BY customer_no) AS granted USING (customer_no)
WHERE cu.partner_id = $1;
