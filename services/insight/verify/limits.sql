-- What games with limits have issued, under the versions that were in force.

-- name: limited_versions
-- Every version of the games that have had a limit, with the zone it was read in.
SELECT v.game_id, v.version, coalesce(v.rules ->> 'time_zone', p.time_zone) AS time_zone,
       (v.rules ->> 'customer_limit')::integer AS lifetime,
       (v.rules ->> 'customer_limit_per_day')::integer AS per_day,
       (v.rules ->> 'customer_limit_per_week')::integer AS per_week,
       (v.rules ->> 'customer_limit_per_month')::integer AS per_month,
       (v.rules ->> 'total_limit')::integer AS total_limit
FROM game_versions v JOIN partners p ON p.id = v.partner_id
WHERE v.game_id IN (
    SELECT limited.game_id FROM game_versions limited
    WHERE num_nonnulls(limited.rules ->> 'customer_limit', limited.rules ->> 'customer_limit_per_day',
                       limited.rules ->> 'customer_limit_per_week', limited.rules ->> 'customer_limit_per_month',
                       limited.rules ->> 'total_limit') > 0)
ORDER BY v.game_id, v.version;

-- name: issues_of_customers
-- Coupons of these games ($3) that customers of a page have, in the order in which they were decided, and since when each
-- counts no more. Of a cancellation by a wrong clock the instant means nothing: it counts as old.
SELECT c.id, c.customer_no, c.game_id, c.rule_version, c.issued_at,
       CASE WHEN c.status = 'cancelled' THEN coalesce((
           SELECT h.at FROM coupon_history h
           WHERE h.coupon_id = c.id AND h.word = 'cancelled'
             AND NOT EXISTS (SELECT FROM clock_mends m WHERE m.coupon_id = c.id)
           ORDER BY h.step LIMIT 1), 'epoch') END AS cancelled_at
FROM coupons c
CROSS JOIN LATERAL (SELECT d.seq FROM decisions d WHERE d.event_key = c.event_key LIMIT 1) AS d
WHERE c.customer_no > $1 AND c.customer_no <= $2 AND c.game_id = ANY($3::bigint[])
ORDER BY c.customer_no, c.game_id, d.seq;

-- name: counted
-- How many coupons of these games count, by the version that they were issued under. Reads all coupons.
SELECT game_id, rule_version, count(*) AS coupons FROM coupons
WHERE game_id = ANY($1::bigint[]) AND status <> 'cancelled'
GROUP BY game_id, rule_version ORDER BY game_id, rule_version;

-- name: shared_out
-- The limits in force for all customers together, and what the shares say is left, a debt taken off. The largest limit there
-- is stands for one whose coupons nobody has counted yet.
SELECT g.id AS game_id, g.total_limit,
       coalesce((SELECT sum(q.remaining) FROM game_quota q WHERE q.game_id = g.id AND q.epoch = g.quota_epoch), 0)::bigint
       - coalesce((SELECT d.debt FROM game_quota_debt d WHERE d.game_id = g.id AND d.epoch = g.quota_epoch), 0) AS remaining
FROM games g WHERE g.total_limit < 2147483647 ORDER BY g.id;
