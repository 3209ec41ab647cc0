-- Profiles of customers whose rows are locked.

-- name: profiles
-- Who these customers are.
SELECT customer_no, registered_at, tags, birthday, locale, attributes, referred_by, referral_key, card_id, card_since, bonus_cards
FROM profiles WHERE customer_no = ANY($1::bigint[]);

-- name: registered
-- Those of these customers who have registered.
SELECT named.partner_id, named.customer_id
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, customer_id)
CROSS JOIN LATERAL (
    SELECT FROM customers c JOIN profiles p USING (customer_no)
    WHERE c.partner_id = named.partner_id AND c.customer_id = named.customer_id AND p.registered_at IS NOT NULL
    OFFSET 0
) AS found;

-- name: completed_referrals
-- Who brought these customers, where that is completed, and by which event.
SELECT named.partner_id, named.customer_id, found.referred_by, found.referral_key
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, customer_id)
CROSS JOIN LATERAL (
    SELECT p.referred_by, p.referral_key FROM customers c JOIN profiles p USING (customer_no)
    WHERE c.partner_id = named.partner_id AND c.customer_id = named.customer_id AND p.referral_key IS NOT NULL
    OFFSET 0
) AS found;

-- name: put_profile
-- A profile as it stands after the batch. A day that stays keeps its next birthday, which the sweeper moves on.
INSERT INTO profiles AS known (customer_no, partner_id, registered_at, tags, birthday, locale, attributes, referred_by,
    referral_key, card_id, card_since, bonus_cards, birthday_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (customer_no) DO UPDATE SET
    registered_at = excluded.registered_at, tags = excluded.tags, birthday = excluded.birthday, locale = excluded.locale,
    attributes = excluded.attributes, referred_by = excluded.referred_by,
    referral_key = coalesce(known.referral_key, excluded.referral_key), card_id = excluded.card_id,
    card_since = excluded.card_since, bonus_cards = excluded.bonus_cards,
    birthday_at = CASE WHEN known.birthday IS DISTINCT FROM excluded.birthday THEN excluded.birthday_at ELSE known.birthday_at END;
