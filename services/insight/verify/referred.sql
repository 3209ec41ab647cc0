-- Who has brought whom, and what tiers and referrals have granted, a page of customers at a time.

-- name: referrals_astray
-- Profiles whose referral cannot be: of oneself, of somebody who registered later (and so no loop) or never did, or
-- completed by an event that nobody has decided so for the friend. Instants of two customers cannot be compared, not even
-- in one batch: where they say later, the order of the decisions is asked.
WITH page AS MATERIALIZED (
    SELECT customer_no, partner_id, registered_at, referred_by, referral_key FROM profiles
    WHERE customer_no > $1 AND customer_no <= $2 AND referred_by IS NOT NULL
), judged AS (
    SELECT p.customer_no, p.partner_id, p.referral_key, cu.customer_id, CASE
        WHEN cu.customer_id = p.referred_by THEN 'was brought by themselves'
        WHEN r.registered_at IS NULL THEN 'was brought by somebody who never registered'
        WHEN r.registered_at > p.registered_at AND (theirs.seq < own.seq) IS NOT TRUE
        THEN 'was brought by somebody who registered later'
        WHEN p.referral_key IS NOT NULL AND (d.customer_no IS DISTINCT FROM p.customer_no
             OR d.program #>> '{referral,outcome}' IS DISTINCT FROM 'completed'
             OR d.program #>> '{referral,referrer_id}' IS DISTINCT FROM p.referred_by)
        THEN 'has a referral that no decision completed' END AS fault
    FROM page p
    CROSS JOIN LATERAL (SELECT customer_id FROM customers cu WHERE cu.customer_no = p.customer_no LIMIT 1) AS cu
    LEFT JOIN LATERAL (
        SELECT q.registered_at, q.customer_no FROM customers c JOIN profiles q USING (customer_no)
        WHERE c.partner_id = p.partner_id AND c.customer_id = p.referred_by LIMIT 1
    ) AS r ON true
    LEFT JOIN LATERAL (
        SELECT seq FROM decisions d WHERE d.customer_no = r.customer_no AND d.event_type = 'customer.created' ORDER BY seq LIMIT 1
    ) AS theirs ON r.registered_at > p.registered_at
    LEFT JOIN LATERAL (
        SELECT seq FROM decisions d WHERE d.customer_no = p.customer_no AND d.event_type = 'customer.created' ORDER BY seq LIMIT 1
    ) AS own ON r.registered_at > p.registered_at
    LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = p.referral_key LIMIT 1) AS d ON p.referral_key IS NOT NULL
)
SELECT customer_no, partner_id, customer_id, referral_key, fault, 0::bigint AS profiles FROM judged WHERE fault IS NOT NULL
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, (SELECT count(*) FROM page);

-- name: friends_astray
-- Friends that were counted for somebody who has not brought them.
SELECT l.customer_no, l.partner_id, l.source_id AS customer_id, 'was counted and should not be' AS fault
FROM ledger l
CROSS JOIN LATERAL (SELECT customer_id FROM customers cu WHERE cu.customer_no = l.customer_no LIMIT 1) AS cu
LEFT JOIN LATERAL (
    SELECT p.referred_by FROM customers c JOIN profiles p USING (customer_no)
    WHERE c.partner_id = l.partner_id AND c.customer_id = l.source_id AND p.referral_key IS NOT NULL LIMIT 1
) AS friend ON true
WHERE l.customer_no > $1 AND l.customer_no <= $2 AND l.kind = 'earned' AND l.referrals <> 0
  AND friend.referred_by IS DISTINCT FROM cu.customer_id;

-- name: granted_twice
-- Tiers and referrals that have granted coupons to one customer by more than one decision.
SELECT c.customer_no, c.source_kind, c.source_id, array_agg(c.id ORDER BY c.id) AS ids
FROM coupons c
WHERE c.customer_no > $1 AND c.customer_no <= $2 AND c.source_kind IN ('tier', 'referral')
GROUP BY c.customer_no, c.source_kind, c.source_id HAVING count(DISTINCT c.event_key) > 1;
