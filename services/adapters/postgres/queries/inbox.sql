-- What a batch reads before it decides. Look-ups are keyed and shaped for their index: a LATERAL sub-query with a
-- LIMIT cannot be turned into a join, and the issuer's sessions have sequential scans switched off.

-- name: decided
-- Which of these events have their decision already; id and source tell a repeat from a key collision.
SELECT event_key, event_id, event_source FROM decisions WHERE event_key = ANY($1::uuid[]);

-- name: not_decided_from
-- Positions, in these arrays, of records of one topic that are not where the decision under their key was read from.
SELECT read.position
FROM unnest($2::uuid[], $3::integer[], $4::bigint[]) WITH ORDINALITY AS read (event_key, partition, "offset", position)
WHERE (SELECT true FROM decisions d
       WHERE d.event_key = read.event_key AND d."offset" = read."offset" AND d.partition = read.partition AND d.topic = $1
       LIMIT 1) IS NULL
ORDER BY read.position;

-- name: lock_customers
-- Lock the customers (arrays sorted, so that two batches cannot deadlock), add the missing ones, and take each one's
-- decision instant: after its lock, from the database's clock, never before anything decided for that customer.
-- A row that was there is updated and so carries our transaction in xmax; a new one carries nothing.
INSERT INTO customers AS known (partner_id, customer_id, last_at)
SELECT named.partner_id, named.customer_id, clock_timestamp() + $3::interval
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, customer_id)
ON CONFLICT (partner_id, customer_id) DO UPDATE
    SET last_at = greatest(known.last_at, clock_timestamp() + $3::interval)
RETURNING partner_id, customer_id, customer_no, last_at, (xmax = 0) AS is_new;

-- name: games
-- The named games with everything the rules need.
SELECT g.id, g.partner_id, g.version, g.is_active, g.allow_multiple_active_coupons, g.coupon_validity_days,
       g.start_date, g.end_date, g.reward_description, g.product_ids, g.game_type, g.code_prefix, g.stamps_required,
       g.customer_limit, g.customer_limit_per_day, g.customer_limit_per_week, g.customer_limit_per_month,
       g.total_limit, p.time_zone
FROM games g JOIN partners p ON p.id = g.partner_id
WHERE g.id = ANY($1::bigint[]);

-- name: stamp_games
-- The stamp games of these partners, by version, so that cached ones need not be read again.
SELECT id, version FROM games WHERE partner_id = ANY($1::bigint[]) AND game_type = 'stamps';

-- name: confirm_versions
-- The versions in force now, held until the commit: the last statement of a batch. Sharing the rows any earlier
-- starves whoever wants to change a game.
SELECT id, version FROM games WHERE id = ANY($1::bigint[]) ORDER BY id FOR SHARE;

-- name: open_letters_before
-- For each partition: how many of the 1,000 records before this offset are dead letters nobody has dealt with.
SELECT named.topic, named.partition, letters.open
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS named (topic, partition, first_offset)
CROSS JOIN LATERAL (
    SELECT count(*) AS open FROM dead_letters d
    WHERE d.topic = named.topic AND d.partition = named.partition
      AND d."offset" >= named.first_offset - $4::bigint AND d."offset" < named.first_offset
      AND d.state = 'open'
) AS letters;
