-- Customers' accounts.

-- name: account
-- The revision of a partner's program; of its customer of this id, if there is one, the number, who they are and what they
-- have come to; and the instant that counts for them. No row: there is no such partner, or not for this session.
SELECT g.revision, c.customer_no, greatest(c.last_at, clock_timestamp() + $3::interval) AS at,
       p.customer_no IS NOT NULL AS has_profile, p.registered_at, p.tags, p.birthday, p.locale, p.attributes, p.referred_by,
       p.referral_key, p.card_id, p.card_since, p.bonus_cards,
       w.customer_no IS NOT NULL AS has_wallet, w.entries, w.balance, w.owed, w.points_earned, w.score, w.spent, w.orders,
       w.referrals, w.tier_recorded, w.tier_id, w.tier_order, w.tier_name, w.granted_ids, w.granted_names, w.campaigns
FROM programs g
LEFT JOIN customers c ON c.partner_id = g.partner_id AND c.customer_id = $2
LEFT JOIN profiles p ON p.customer_no = c.customer_no
LEFT JOIN wallets w ON w.customer_no = c.customer_no
WHERE g.partner_id = $1;

-- name: accounts
-- Who these customers are, and what they have.
SELECT named.customer_no,
       p.customer_no IS NOT NULL AS has_profile, p.registered_at, p.tags, p.birthday, p.locale, p.attributes, p.referred_by,
       p.referral_key, p.card_id, p.card_since, p.bonus_cards,
       w.customer_no IS NOT NULL AS has_wallet, w.entries, w.balance, w.owed, w.points_earned, w.score, w.spent, w.orders,
       w.referrals, w.tier_recorded, w.tier_id, w.tier_order, w.tier_name, w.granted_ids, w.granted_names, w.campaigns
FROM unnest($1::bigint[]) AS named (customer_no)
LEFT JOIN LATERAL (SELECT * FROM profiles WHERE profiles.customer_no = named.customer_no OFFSET 0) AS p ON true
LEFT JOIN LATERAL (SELECT * FROM wallets WHERE wallets.customer_no = named.customer_no OFFSET 0) AS w ON true;
