-- What an operator wants to see at a glance.

-- name: server
-- When all this was so, and what answers.
SELECT clock_timestamp() AS at, split_part(current_setting('server_version'), ' ', 1) AS version;

-- name: outbox
-- Rows that wait, age of the oldest in seconds, and rows that Kafka refused for good, with the first one's reason.
SELECT (SELECT count(*) FROM outbox WHERE refused IS NULL) AS depth,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - queued_at)::float8
                 FROM outbox WHERE refused IS NULL ORDER BY id LIMIT 1), 0) AS oldest_age_seconds,
       (SELECT count(*) FROM outbox WHERE refused IS NOT NULL) AS unpublishable,
       (SELECT refused FROM outbox WHERE refused IS NOT NULL ORDER BY id LIMIT 1) AS unpublishable_reason;

-- name: dead_letters
-- How many in each state, by stage, since when, and of how many what the record said is gone.
SELECT state, stage, count(*) AS letters, count(emptied_at) AS emptied, min(created_at) AS oldest_at,
       extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS oldest_age_seconds
FROM dead_letters GROUP BY state, stage ORDER BY state, stage;

-- name: decisions_since
-- Decisions of the last seconds, by the clock they were made with.
SELECT count(*) FROM decisions WHERE decided_at > clock_timestamp() + $1::interval - $2::interval;

-- name: sweeping
-- When a sweeper was last seen (it notes how far it has counted every few seconds), and what is due and not settled
-- ($2 at most), since when.
SELECT c.seen_at, extract(epoch FROM clock_timestamp() - c.seen_at)::float8 AS seen_seconds_ago,
       due.overdue, due.overdue_since,
       coalesce(extract(epoch FROM clock_timestamp() + $1::interval - due.overdue_since)::float8, 0) AS overdue_seconds
FROM (SELECT nullif(noted_at, '1970-01-01T00:00Z') AS seen_at FROM counting) AS c
CROSS JOIN (
    SELECT count(*) AS overdue, min(at) AS overdue_since FROM (
        SELECT least(notice_at, reserved_until, expires_at) AS at FROM coupons
        WHERE status IN ('active', 'reserved') AND (expires_at IS NOT NULL OR reserved_until IS NOT NULL)
          AND least(notice_at, reserved_until, expires_at) <= clock_timestamp() + $1::interval
        ORDER BY least(notice_at, reserved_until, expires_at) LIMIT $2) AS first_due
) AS due;

-- name: accounts_due
-- What is due and not settled of accounts, by kind ($2 of each at most), and for how long the first has been: lots that are
-- over or to be told of, and birthdays that were noted and have begun.
SELECT count(*) FILTER (WHERE is_lot) AS overdue_lots,
       coalesce(extract(epoch FROM at - min(due_at) FILTER (WHERE is_lot))::float8, 0) AS overdue_lots_seconds,
       count(*) FILTER (WHERE NOT is_lot) AS overdue_birthdays,
       coalesce(extract(epoch FROM at - min(due_at) FILTER (WHERE NOT is_lot))::float8, 0) AS overdue_birthdays_seconds
FROM (SELECT clock_timestamp() + $1::interval AS at) AS now
LEFT JOIN LATERAL (
    (SELECT true AS is_lot, least(notice_at, expires_at) AS due_at FROM lots
     WHERE remaining > 0 AND expires_at IS NOT NULL AND least(notice_at, expires_at) <= now.at
     ORDER BY least(notice_at, expires_at) LIMIT $2)
    UNION ALL
    (SELECT false, birthday_at FROM profiles WHERE birthday_at <= now.at ORDER BY birthday_at LIMIT $2)
) AS first_due ON true
GROUP BY at;

-- name: deliveries
-- By partner what is still to be told to its own coupon system ($2 of each kind at most is counted): how much, how much of it
-- is held, for how long the first has been due, of how many customers $3 attempts or more have failed and why the last did;
-- how many were given up within $4 though their coupons were good, and why. Partners of which there is nothing are left out.
SELECT w.partner_id, line.pending, line.held, first.overdue_seconds, failing.customers AS failing, failing.error,
       dead.deliveries AS dead, dead.error AS dead_error
FROM webhooks w
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE status = 'pending') AS pending, count(*) FILTER (WHERE status = 'held') AS held FROM (
        SELECT status FROM deliveries d WHERE d.partner_id = w.partner_id AND d.status IN ('pending', 'held') LIMIT $2) AS waiting
) AS line
CROSS JOIN LATERAL (
    SELECT greatest(0, coalesce(extract(epoch FROM clock_timestamp() + $1::interval - min(due_at)), 0))::float8 AS overdue_seconds
    FROM deliveries d WHERE d.partner_id = w.partner_id AND d.is_next AND d.begun_at IS NULL
) AS first
CROSS JOIN LATERAL (
    SELECT count(*) AS customers, (array_agg(a.error))[1] AS error FROM (
        SELECT coupon_id, kind, attempts FROM deliveries d
        WHERE d.partner_id = w.partner_id AND d.is_next AND d.begun_at IS NULL AND d.tries >= $3 ORDER BY due_at DESC LIMIT $2) AS head
    CROSS JOIN LATERAL (
        SELECT concat_ws(' ', a.error, a.status) AS error FROM delivery_attempts a
        WHERE a.coupon_id = head.coupon_id AND a.kind = head.kind AND a.number = head.attempts) AS a
) AS failing
CROSS JOIN LATERAL (
    SELECT count(*) AS deliveries, (array_agg(a.error))[1] AS error FROM (
        SELECT coupon_id, kind, attempts FROM deliveries d
        WHERE d.partner_id = w.partner_id AND d.status = 'dead' AND d.due_at > clock_timestamp() + $1::interval - $4::interval
        ORDER BY due_at DESC LIMIT $2) AS last
    CROSS JOIN LATERAL (
        SELECT concat_ws(' ', a.error, a.status) AS error FROM delivery_attempts a
        WHERE a.coupon_id = last.coupon_id AND a.kind = last.kind AND a.number = last.attempts
          AND a.error NOT IN ('coupon_cancelled', 'coupon_expired')) AS a
) AS dead
WHERE line.pending > 0 OR line.held > 0 OR dead.deliveries > 0
ORDER BY w.partner_id;

-- name: operations
-- Bulk operations that have not ended; one whose advisory lock (class $1) nobody holds was interrupted.
SELECT o.id, o.command, o.actor, o.reason, o.started_at, o.moved_at, EXISTS (
    SELECT FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.classid = $1::integer::oid AND l.objid = o.id::oid AND l.objsubid = 2
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS is_running
FROM operations o WHERE o.finished_at IS NULL ORDER BY o.id;

-- name: sessions
-- How many sessions of each of our processes are connected. A relay that waits for another one has only its lock's.
SELECT split_part(application_name, '-', 2) AS process, count(*) AS sessions
FROM pg_stat_activity
WHERE datname = current_database()
  AND application_name IN ('couponry-issuer', 'couponry-relay', 'couponry-relay-lock', 'couponry-sweeper', 'couponry-webhooks', 'couponry-api')
GROUP BY process;

-- name: applied
-- Migrations of this database, oldest first.
SELECT name FROM schema_migrations ORDER BY version;

-- name: ids_reused
-- Records whose id had been decided for another event.
SELECT count(*) FROM reused_ids;
