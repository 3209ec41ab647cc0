-- A share of a partner's history under its program, family by family. $1 partner, $2 and $3 customers in the families of
-- others and those families, $4 into how many shares it is divided, $5 which of them.

-- name: decisions
-- Everything decided, a family's in the order in which it was: numbers are given under the customer's lock. Of what we
-- tell ourselves the id says from what it follows.
SELECT coalesce(f.family, d.customer_no) AS family, d.decided_at, d.customer_no, d.event_key, d.event_type, d.event_id,
       d.event_source, d.topic, d.partition, d."offset", d.program_version, d.game_id, d.rule_version, d.occurred_at
FROM decisions d LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS f (customer_no, family) USING (customer_no)
WHERE d.partner_id = $1 AND coalesce(f.family, d.customer_no) % $4::bigint = $5::bigint
ORDER BY family, d.seq;

-- name: completed_referrals
-- Referrals that really were told and decided, by the ids of what tells them.
SELECT d.event_id
FROM decisions d LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS f (customer_no, family) USING (customer_no)
WHERE d.partner_id = $1 AND d.event_type = 'referral.completed'
  AND coalesce(f.family, d.customer_no) % $4::bigint = $5::bigint;

-- name: referrers
-- Customers by id who brought others.
SELECT cu.customer_id, cu.customer_no
FROM (SELECT DISTINCT referred_by FROM profiles WHERE partner_id = $1 AND referred_by IS NOT NULL) AS named
JOIN customers cu ON cu.partner_id = $1 AND cu.customer_id = named.referred_by
LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS f (customer_no, family) USING (customer_no)
WHERE coalesce(f.family, cu.customer_no) % $4::bigint = $5::bigint;

-- name: coupons_stepped
-- Coupons with terms that something was done with, by the event that granted them.
SELECT c.id, c.event_key, c.source_kind, c.source_id, c.code, c.code_prefix, c.external_code, c.terms
FROM coupons c LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS f (customer_no, family) USING (customer_no)
WHERE c.partner_id = $1 AND c.terms IS NOT NULL AND c.steps > 0
  AND coalesce(f.family, c.customer_no) % $4::bigint = $5::bigint
ORDER BY c.id;

-- name: steps_of_staff
-- What staff did with such coupons, and what came of it: of a reservation that stands, until when it does.
SELECT h.coupon_id, h.at, h.word, h.shop_id, h.order_id, c.reserved_until
FROM coupons c LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS f (customer_no, family) USING (customer_no)
JOIN coupon_history h ON h.coupon_id = c.id
WHERE c.partner_id = $1 AND c.terms IS NOT NULL AND c.steps > 0 AND h.word <> 'expired'
  AND (h.event_key IS NULL OR h.reason = 'reservation_lapsed')
  AND coalesce(f.family, c.customer_no) % $4::bigint = $5::bigint
ORDER BY h.coupon_id, h.step;

-- name: limited_groups
-- The partner's ($1) groups that ever had an end to them, or have one of those handles ($2): how many codes of its pool
-- nobody has, null without a pool.
SELECT named.handle, CASE WHEN g.has_pool THEN
    (SELECT count(*) FROM pool_codes p WHERE p.partner_id = $1 AND p.handle = named.handle AND p.coupon_id IS NULL) END AS free
FROM (
    SELECT section ->> 'handle' AS handle
    FROM program_versions v CROSS JOIN LATERAL jsonb_array_elements(v.sections -> 'couponGroups') AS section
    WHERE v.partner_id = $1 AND section ->> 'maxTotal' IS NOT NULL
    UNION SELECT handle FROM group_counts WHERE partner_id = $1 AND has_pool
    UNION SELECT * FROM unnest($2::text[])
) AS named LEFT JOIN group_counts g ON g.partner_id = $1 AND g.handle = named.handle;

-- name: coupons_of_groups
-- Every coupon of these groups ($6), whoever has it: when it began and was cancelled, and whether it is of this share.
SELECT c.terms ->> 'group' AS handle, c.event_key, c.issued_at,
       coalesce(f.family, c.customer_no) % $4::bigint = $5::bigint AS is_ours,
       CASE WHEN c.status = 'cancelled' THEN (SELECT min(h.at) FROM coupon_history h
                                              WHERE h.coupon_id = c.id AND h.word = 'cancelled') END AS cancelled_at
FROM coupons c LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS f (customer_no, family) USING (customer_no)
WHERE c.partner_id = $1 AND c.terms ->> 'group' = ANY ($6::text[]);

-- name: ended
-- What every customer has in the end, at that instant, family by family: points that are over by then do not count.
SELECT coalesce(f.family, cu.customer_no) AS family, cu.customer_no, cu.customer_id,
       coalesce(w.balance, 0) - coalesce(over.points, 0) AS points, w.tier_name AS tier,
       coalesce(granted.coupons, 0) AS granted, coalesce(granted.of_games, 0) AS of_games
FROM customers cu
LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS f (customer_no, family) USING (customer_no)
LEFT JOIN wallets w USING (customer_no)
LEFT JOIN (SELECT customer_no, sum(remaining)::bigint AS points FROM lots
           WHERE partner_id = $1 AND remaining > 0 AND expires_at <= $6 GROUP BY customer_no) AS over USING (customer_no)
LEFT JOIN (SELECT customer_no, count(*) FILTER (WHERE terms IS NOT NULL) AS coupons,
                  count(*) FILTER (WHERE terms IS NULL) AS of_games
           FROM coupons WHERE partner_id = $1 GROUP BY customer_no) AS granted USING (customer_no)
WHERE cu.partner_id = $1 AND coalesce(f.family, cu.customer_no) % $4::bigint = $5::bigint
ORDER BY family, cu.customer_no;

-- name: entries
-- What these events of these customers wrote into the ledger, apart from what a tier brought.
SELECT event_key, kind, source_kind, source_id, points, points_earned, score, spent, orders, referrals, order_id, reason,
       expires_at
FROM ledger WHERE customer_no = ANY ($1::bigint[]) AND event_key = ANY ($2::uuid[]) AND source_kind <> 'tier'
ORDER BY customer_no, number;

-- name: described
-- Who these customers are, and by which event the referral of each was completed.
SELECT p.customer_no, cu.customer_id, p.registered_at, p.tags, p.birthday, p.locale, p.attributes, p.referred_by,
       p.referral_key, p.card_id, p.card_since, p.bonus_cards
FROM profiles p JOIN customers cu USING (customer_no) WHERE p.customer_no = ANY ($1::bigint[]);

-- name: coupons_granted
-- How many coupons with terms these events of these customers granted, apart from what a tier brought.
SELECT event_key, count(*) AS coupons FROM coupons
WHERE customer_no = ANY ($1::bigint[]) AND event_key = ANY ($2::uuid[]) AND terms IS NOT NULL AND source_kind <> 'tier'
GROUP BY event_key;

-- name: steps_of_events
-- What these events of these customers did with coupons with terms.
SELECT h.event_key, h.coupon_id, h.at, h.word, h.shop_id, h.order_id
FROM coupons c JOIN coupon_history h ON h.coupon_id = c.id
WHERE c.customer_no = ANY ($1::bigint[]) AND c.terms IS NOT NULL AND c.steps > 0 AND h.event_key = ANY ($2::uuid[])
  AND h.word <> 'expired' AND h.reason IS DISTINCT FROM 'reservation_lapsed'
ORDER BY h.coupon_id, h.step;

-- name: redeemed
-- The rule and the points of what these decisions redeemed. By `ledger_by_spending`.
SELECT d.event_key, c.source_id::bigint AS rule_id, -l.points AS points
FROM decisions d JOIN coupons c ON c.id = d.coupon_id
CROSS JOIN LATERAL (SELECT * FROM ledger s WHERE s.event_key = d.event_key AND s.kind = 'spent' OFFSET 0) AS l
WHERE d.event_key = ANY ($1::uuid[]);

-- name: undone
-- The coupons whose redemption these decisions have undone. By `redemptions_undone`.
SELECT event_key, coupon_id FROM coupon_history WHERE event_key = ANY ($1::uuid[]) AND reason = 'redemption_undone';

-- name: game_version
-- A game as it was at that version, with its partner's zone.
SELECT v.rules, p.time_zone FROM game_versions v JOIN games g ON g.id = v.game_id JOIN partners p ON p.id = g.partner_id
WHERE v.game_id = $1 AND v.version = $2;
