-- What an operator wants to see at a glance.

-- name: outbox
-- Rows that wait, age of the oldest in seconds, and rows that Kafka refused for good.
SELECT (SELECT count(*) FROM outbox WHERE refused IS NULL) AS depth,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - queued_at)::float8
                 FROM outbox WHERE refused IS NULL ORDER BY id LIMIT 1), 0) AS oldest_age_seconds,
       (SELECT count(*) FROM outbox WHERE refused IS NOT NULL) AS unpublishable;

-- name: dead_letters
-- How many in each state.
SELECT state, count(*) AS letters FROM dead_letters GROUP BY state;

-- name: decisions_since
-- Decisions of the last seconds, by the clock they were made with.
SELECT count(*) FROM decisions WHERE decided_at > clock_timestamp() + $1::interval - $2::interval;
