-- What the relay reads from the outbox and takes out of it.

-- name: take_leadership
-- True if this session is now the one relay of this database; held until the session ends.
SELECT pg_try_advisory_lock($1);

-- name: database_id
-- The identity of this database: a restored backup has a new one.
SELECT id FROM deployment;

-- name: next_rows
-- Rows to publish (as WaitingRow), oldest first, from $1 on, without the topics $2: at most $3 rows, and none after $4 bytes.
SELECT id, topic, ce_type, ce_id, subject, key, value, ce_time, dead_letter_id, republished, traceparent, source
FROM (
    SELECT *, sum(bytes) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - bytes AS bytes_before
    FROM (
        SELECT id, topic, ce_type, ce_id, subject, key, value, ce_time, dead_letter_id, republished, traceparent, source,
               coalesce(octet_length(value), (
                   SELECT coalesce(octet_length(d.key), 0) + coalesce(octet_length(d.value), 0)
                          + (SELECT coalesce(sum(octet_length(h)), 0)::integer FROM unnest(d.header_values) h)
                   FROM dead_letters d WHERE d.id = outbox.dead_letter_id), 0) AS bytes
        FROM outbox
        WHERE id >= $1 AND refused IS NULL AND topic <> ALL ($2::text[])
        ORDER BY id
        LIMIT $3
    ) AS first_rows
) AS measured
WHERE bytes_before < $4
ORDER BY id;

-- name: letters
-- The dead letters whose bytes are published.
SELECT id, topic, partition, "offset", stage, exception, message, key, value, header_names, header_values
FROM dead_letters WHERE id = ANY ($1::bigint[]);

-- name: named_rows
-- Rows of these numbers, with what tells each from another that had its number before.
SELECT o.id, o.ce_id, d.topic, d.partition, d."offset"
FROM outbox o LEFT JOIN dead_letters d ON d.id = o.dead_letter_id
WHERE o.id = ANY ($1::bigint[]);

-- name: delete_rows
-- Exactly the rows that were published, by their ids: sequences commit out of order, so a range would lose some.
DELETE FROM outbox WHERE id = ANY ($1::bigint[]);

-- name: refuse_row
-- Set a row aside that Kafka refuses for good.
UPDATE outbox SET refused = $2 WHERE id = $1 RETURNING topic, traceparent;

-- name: figures
-- What waits from $1 on (counted up to 100,000), the age of the oldest in seconds, what was set aside, are writes refused.
SELECT (SELECT count(*) FROM (
            SELECT FROM outbox WHERE id >= $1 AND refused IS NULL LIMIT 100000) AS waiting) AS waiting,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - queued_at)::float8 FROM outbox
                 WHERE id >= $1 AND refused IS NULL ORDER BY id LIMIT 1), 0) AS age_seconds,
       (SELECT count(*) FROM outbox WHERE refused IS NOT NULL) AS refused,
       (SELECT refused FROM outbox WHERE refused IS NOT NULL ORDER BY id LIMIT 1) AS first_reason,
       current_setting('transaction_read_only')::boolean AS read_only;

-- name: last_id
-- The highest outbox id handed out so far, committed or not. Ids are not cached by sessions.
SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM outbox_id_seq;

-- name: writers
-- Transactions that may hold ids of the outbox: an insert locks the table before it draws an id.
SELECT DISTINCT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'outbox'::regclass
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND mode NOT IN ('AccessShareLock', 'RowShareLock');

-- name: lowest_waiting
-- The first row from $1 on that is still to be published.
SELECT min(id) FROM outbox WHERE id >= $1 AND refused IS NULL;
