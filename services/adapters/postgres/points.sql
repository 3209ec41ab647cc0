-- What customers whose rows are locked have come to.

-- name: wallets
-- What these customers have.
SELECT customer_no, entries, balance, owed, points_earned, score, spent, orders, referrals, tier_recorded, tier_id,
       tier_order, tier_name, granted_ids, granted_names, campaigns
FROM wallets WHERE customer_no = ANY($1::bigint[]);

-- name: lots_over
-- Lots that have something left and are over at their customer's instant. By the index `open_lots`: however many are
-- open, only those that are over are read.
SELECT found.*
FROM unnest($1::bigint[], $2::timestamptz[]) AS named (customer_no, at)
CROSS JOIN LATERAL (
    SELECT l.customer_no, l.number, l.source_kind, l.source_id, l.earned_at, l.expires_at, l.amount, l.remaining, l.expired
    FROM lots l WHERE l.customer_no = named.customer_no AND l.remaining > 0 AND l.expires_at <= named.at
    OFFSET 0
) AS found;

-- name: open_lots
-- Lots that have something left.
SELECT customer_no, number, source_kind, source_id, earned_at, expires_at, amount, remaining, expired
FROM lots WHERE customer_no = ANY($1::bigint[]) AND remaining > 0;

-- name: lots
-- These lots, whatever is left of them.
SELECT found.*
FROM unnest($1::bigint[], $2::bigint[]) AS named (customer_no, number)
CROSS JOIN LATERAL (
    SELECT l.customer_no, l.number, l.source_kind, l.source_id, l.earned_at, l.expires_at, l.amount, l.remaining, l.expired
    FROM lots l WHERE l.customer_no = named.customer_no AND l.number = named.number
    OFFSET 0
) AS found;

-- name: put_wallets
-- Wallets as they stand after the batch. What tiers have granted comes as the text of an array: arrays of different lengths
-- cannot be columns of an array.
INSERT INTO wallets (customer_no, partner_id, entries, balance, owed, points_earned, score, spent, orders, referrals,
    tier_recorded, tier_id, tier_order, tier_name, granted_ids, granted_names, campaigns)
SELECT n.customer_no, n.partner_id, n.entries, n.balance, n.owed, n.points_earned, n.score, n.spent, n.orders, n.referrals,
       n.tier_recorded, n.tier_id, n.tier_order, n.tier_name, n.granted_ids::bigint[], n.granted_names::text[], n.campaigns
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::numeric[],
            $9::bigint[], $10::bigint[], $11::boolean[], $12::bigint[], $13::integer[], $14::text[], $15::text[], $16::text[],
            $17::jsonb[])
     AS n (customer_no, partner_id, entries, balance, owed, points_earned, score, spent, orders, referrals,
           tier_recorded, tier_id, tier_order, tier_name, granted_ids, granted_names, campaigns)
ON CONFLICT (customer_no) DO UPDATE SET
    entries = excluded.entries, balance = excluded.balance, owed = excluded.owed, points_earned = excluded.points_earned,
    score = excluded.score, spent = excluded.spent, orders = excluded.orders, referrals = excluded.referrals,
    tier_recorded = excluded.tier_recorded, tier_id = excluded.tier_id, tier_order = excluded.tier_order,
    tier_name = excluded.tier_name, granted_ids = excluded.granted_ids, granted_names = excluded.granted_names,
    campaigns = excluded.campaigns;

-- name: change_lots
-- Lots that were there, as they stand after the batch. They keep their notices, which the sweeper moves on.
UPDATE lots l SET remaining = n.remaining, expired = n.expired
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS n (customer_no, number, remaining, expired)
WHERE l.customer_no = n.customer_no AND l.number = n.number
RETURNING l.number;

-- name: booked
-- Whether a partner has booked this transaction by hand.
SELECT EXISTS (SELECT FROM manual_transactions WHERE partner_id = $1 AND transaction_id = $2);

-- name: lots_due
-- Customers nobody else is working on, of the lots due first from $4 on but for those of $3; with the instant at which the
-- first of them all was due, also if somebody else is at it.
SELECT cu.partner_id, cu.customer_id, cu.customer_no, g.version AS program_version, due.first_at
FROM (
    SELECT customer_no, min(first_at) AS first_at
    FROM (
        SELECT customer_no, min(due_at) OVER () AS first_at
        FROM (
            SELECT l.customer_no, least(l.notice_at, l.expires_at) AS due_at FROM lots l
            WHERE l.remaining > 0 AND l.expires_at IS NOT NULL AND least(l.notice_at, l.expires_at) <= $1::timestamptz
              AND least(l.notice_at, l.expires_at) >= $4::timestamptz AND l.customer_no <> ALL ($3::bigint[])
            ORDER BY least(l.notice_at, l.expires_at) LIMIT $2
        ) AS first_ones
    ) AS dated GROUP BY customer_no
) AS due
JOIN customers cu USING (customer_no)
JOIN programs g ON g.partner_id = cu.partner_id
ORDER BY cu.partner_id, cu.customer_id
FOR UPDATE OF cu SKIP LOCKED;

-- name: due_of
-- Lots that have something left and are over at their customer's instant, or whose notice is due.
SELECT found.*
FROM unnest($1::bigint[], $2::timestamptz[]) AS named (customer_no, at)
CROSS JOIN LATERAL (
    SELECT l.customer_no, l.number, l.source_kind, l.source_id, l.earned_at, l.expires_at, l.notice_at, l.amount, l.remaining,
           l.expired
    FROM lots l
    WHERE l.customer_no = named.customer_no AND l.remaining > 0 AND least(l.notice_at, l.expires_at) <= named.at OFFSET 0
) AS found;

-- name: move_notices
-- When the next notices of lots are due.
UPDATE lots l SET notice_at = n.notice_at
FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS n (customer_no, number, notice_at)
WHERE l.customer_no = n.customer_no AND l.number = n.number;

-- name: entries_of_events
-- What these events wrote into the ledger, each entry with what the customer's meters and debt had come to by then.
SELECT * FROM (
    SELECT event_key, at, kind, source_kind, source_id, points, balance, owed, points_earned, score, spent, orders, referrals,
           base_points, factor, expires_at, reason, number, takes,
           sum(owed) OVER running AS owed_then, sum(points_earned) OVER running AS points_earned_then,
           sum(score) OVER running AS score_then, sum(spent) OVER running AS spent_then,
           sum(orders) OVER running AS orders_then, sum(referrals) OVER running AS referrals_then
    FROM ledger WHERE customer_no = ANY ($1::bigint[])
    WINDOW running AS (PARTITION BY customer_no ORDER BY number)
) AS entry
WHERE event_key = ANY ($2::uuid[])
ORDER BY number;
