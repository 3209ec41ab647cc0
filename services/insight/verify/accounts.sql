-- Accounts of customers, a page of customers at a time: what is stored, to be worked out again from the ledger.

-- name: end_of_accounts
-- The customer with which a page of wallets ends; nothing on the last page.
SELECT customer_no FROM wallets WHERE customer_no > $1 ORDER BY customer_no OFFSET $2 LIMIT 1;

-- name: wallets_of_page
-- Wallets, with the version of the program that the customer's last decision under one names.
SELECT w.*, cu.customer_id,
       (SELECT d.program_version FROM decisions d
        WHERE d.customer_no = w.customer_no AND d.program_version IS NOT NULL ORDER BY d.seq DESC LIMIT 1) AS last_version
FROM wallets w JOIN customers cu USING (customer_no)
WHERE w.customer_no > $1 AND w.customer_no <= $2;

-- name: entries_of_page
-- Entries, in their order, with what is known of the decision that each names.
SELECT l.*, d.event_key IS NOT NULL AS is_decided, d.customer_no AS decided_for, d.program_version, d.topic
FROM ledger l LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = l.event_key LIMIT 1) AS d ON true
WHERE l.customer_no > $1 AND l.customer_no <= $2
ORDER BY l.customer_no, l.number;

-- name: lots_of_page
-- Lots as they are stored.
SELECT * FROM lots WHERE customer_no > $1 AND customer_no <= $2;

-- name: purchases_of_page
-- Orders that have earned.
SELECT p.* FROM wallets w CROSS JOIN LATERAL (
    SELECT * FROM purchases p WHERE p.partner_id = w.partner_id AND p.customer_no = w.customer_no OFFSET 0
) AS p
WHERE w.customer_no > $1 AND w.customer_no <= $2;

-- name: homeless_entries
-- Customers with entries and no wallet.
SELECT l.customer_no FROM ledger l LEFT JOIN wallets w USING (customer_no)
WHERE l.number = 1 AND w.customer_no IS NULL;

-- name: referrals_astray
-- Profiles whose referral cannot be: of oneself, of somebody who registered later (and so no loop) or never did, or
-- completed by an event that nobody has decided for the friend.
SELECT cu.customer_id, p.partner_id, CASE
    WHEN cu.customer_id = p.referred_by THEN 'was brought by themselves'
    WHEN r.registered_at IS NULL THEN 'was brought by somebody who never registered'
    WHEN r.registered_at > p.registered_at THEN 'was brought by somebody who registered later'
    ELSE 'has a referral that no decision completed' END AS fault
FROM profiles p JOIN customers cu USING (customer_no)
LEFT JOIN LATERAL (
    SELECT q.registered_at FROM customers c JOIN profiles q USING (customer_no)
    WHERE c.partner_id = p.partner_id AND c.customer_id = p.referred_by LIMIT 1
) AS r ON true
WHERE p.referred_by IS NOT NULL AND (
    cu.customer_id = p.referred_by OR r.registered_at IS NULL OR r.registered_at > p.registered_at
    OR p.referral_key IS NOT NULL AND NOT EXISTS (
        SELECT FROM decisions d WHERE d.event_key = p.referral_key AND d.customer_no = p.customer_no));

-- name: friends_of
-- Those of these friends whose referral is completed, and by whom they were brought.
SELECT p.partner_id, cu.customer_id AS friend_id, p.referred_by FROM customers cu JOIN profiles p USING (customer_no)
WHERE cu.partner_id = ANY($1::bigint[]) AND cu.customer_id = ANY($2::text[]) AND p.referral_key IS NOT NULL;
