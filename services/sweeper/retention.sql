-- What is kept for a time only: a few rows at a time, those that nobody else is at, oldest first. Each returns how many.

-- name: empty_letters
-- Take out what the records said of up to $2 letters that were closed before $1. A letter keeps its row, its place and
-- what its event is called; one that still waits to be published is left alone.
WITH old AS (
    SELECT l.id FROM dead_letters l
    WHERE l.closed_at < $1::timestamptz AND l.emptied_at IS NULL
      AND NOT EXISTS (SELECT FROM outbox o WHERE o.dead_letter_id = l.id)
    ORDER BY l.closed_at LIMIT $2 FOR UPDATE SKIP LOCKED
), emptied AS (
    UPDATE dead_letters l
    SET key = NULL, value = NULL, header_names = '{}', header_values = '{}', emptied_at = clock_timestamp(),
        message = 'what was wrong with it was kept for a time, and is gone'
    FROM old WHERE l.id = old.id
    RETURNING 1
)
SELECT count(*) FROM emptied;

-- name: forget_audit
-- Take out up to $2 entries of the audit trail that were made before $1. A worker may not lock them, since who may lock
-- may change; so one sweeper at a time is at it.
WITH old AS (
    SELECT id FROM audit_log
    WHERE at < $1::timestamptz AND (SELECT pg_try_advisory_xact_lock(hashtextextended('couponry.audit', 0)))
    ORDER BY at LIMIT $2
), gone AS (
    DELETE FROM audit_log a USING old WHERE a.id = old.id RETURNING 1
)
SELECT count(*) FROM gone;

-- name: forget_answers
-- Take out up to $2 keys of requests, with their answers, that came before $1.
WITH old AS (
    SELECT partner_id, key FROM idempotency_keys
    WHERE created_at < $1::timestamptz ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM idempotency_keys k USING old WHERE k.partner_id = old.partner_id AND k.key = old.key RETURNING 1
)
SELECT count(*) FROM gone;
