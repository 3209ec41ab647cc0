-- Accounts of customers, a page of customers at a time: what is stored, to be worked out again from the ledger. Each in the
-- order of customers, to be read side by side.

-- name: wallets_of_page
-- Wallets, with the version of the program that the customer's last decision under one names.
SELECT w.customer_no, w.partner_id, w.entries, w.balance, w.owed, w.points_earned, w.score, w.spent, w.orders, w.referrals,
       w.tier_recorded, w.tier_id, w.campaigns, cu.customer_id,
       (SELECT d.program_version FROM decisions d
        WHERE d.customer_no = w.customer_no AND d.program_version IS NOT NULL ORDER BY d.seq DESC LIMIT 1) AS last_version
FROM wallets w
CROSS JOIN LATERAL (SELECT customer_id FROM customers cu WHERE cu.customer_no = w.customer_no LIMIT 1) AS cu
WHERE w.customer_no > $1 AND w.customer_no <= $2
ORDER BY w.customer_no;

-- name: entries_of_page
-- Entries, with what is known of the decision that each names. `is_named`: what it was earned by is what was decided.
SELECT l.*, d.event_key IS NOT NULL AS is_decided, d.customer_no AS decided_for, d.decided_at, d.event_type,
       d.program_version, d.order_id AS decided_order,
       l.kind <> 'earned' OR coalesce(CASE l.source_kind
           WHEN 'order' THEN l.source_id = d.order_id AND l.order_id = d.order_id
           WHEN 'campaign' THEN EXISTS (
               SELECT FROM jsonb_array_elements(d.program -> 'campaigns') AS listed (campaign)
               WHERE campaign ->> 'id' = l.source_id AND campaign ->> 'outcome' = 'achieved')
           WHEN 'tier' THEN d.program #> '{tier,before,id}' IS DISTINCT FROM d.program #> '{tier,after,id}'
           WHEN 'referral' THEN d.event_type = 'referral.completed' OR d.program #>> '{referral,outcome}' = 'completed'
               AND l.source_id = (SELECT customer_id FROM customers cu WHERE cu.customer_no = l.customer_no LIMIT 1)
           ELSE true END, false) AS is_named
FROM ledger l LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = l.event_key LIMIT 1) AS d ON true
WHERE l.customer_no > $1 AND l.customer_no <= $2
ORDER BY l.customer_no, l.number;

-- name: lots_of_page
-- Lots as they are stored.
SELECT customer_no, number, source_kind, source_id, earned_at, expires_at, amount, remaining, expired
FROM lots WHERE customer_no > $1 AND customer_no <= $2
ORDER BY customer_no, number;

-- name: achieved_of_page
-- Achievements in the order of decisions, and those that count no more since an order was reversed; and decisions that
-- counted a friend, or gave a coupon back that points were spent on (`bought_by` whose decision). The entry that takes an
-- order off the meter is of the decision that closed it.
SELECT d.customer_no, d.seq, 'achieved' AS what, campaign ->> 'id' AS campaign_id, d.partner_id, d.program_version, d.event_key,
       NULL::uuid AS bought_by
FROM decisions d CROSS JOIN LATERAL jsonb_array_elements(d.program -> 'campaigns') AS listed (campaign)
WHERE d.customer_no > $1 AND d.customer_no <= $2 AND campaign ->> 'outcome' = 'achieved'
UNION ALL
SELECT l.customer_no, d.seq, 'revoked', done ->> 'campaign_id', l.partner_id, NULL, l.event_key, NULL
FROM ledger l
CROSS JOIN LATERAL (
    SELECT p.achievements FROM purchases p
    WHERE p.partner_id = l.partner_id AND p.order_id = l.order_id AND p.customer_no = l.customer_no AND p.is_closed LIMIT 1
) AS p
CROSS JOIN LATERAL (SELECT d.seq FROM decisions d WHERE d.event_key = l.event_key LIMIT 1) AS d
CROSS JOIN LATERAL jsonb_array_elements(p.achievements) AS listed (done)
WHERE l.customer_no > $1 AND l.customer_no <= $2 AND l.kind = 'reversed' AND l.orders < 0
UNION ALL
SELECT d.customer_no, d.seq, CASE d.event_type WHEN 'referral.completed' THEN 'brought' ELSE 'undone' END, NULL, d.partner_id,
       d.program_version, d.event_key, undone.bought_by
FROM decisions d
LEFT JOIN LATERAL (
    SELECT c.event_key AS bought_by FROM coupon_history h JOIN coupons c ON c.id = h.coupon_id
    WHERE h.event_key = d.event_key AND h.reason = 'redemption_undone' OFFSET 0
) AS undone ON d.event_type <> 'referral.completed'
WHERE d.customer_no > $1 AND d.customer_no <= $2 AND d.program_version IS NOT NULL
  AND (d.event_type = 'referral.completed'
       OR d.event_type IN ('points.undo-requested', 'points.undo') AND undone.bought_by IS NOT NULL)
ORDER BY customer_no, seq, what, campaign_id;
