-- Answers to requests that carry an Idempotency-Key.

-- name: take_key
-- The key for this request, unless it is taken; one older than $4 is free again. Waits for whoever is at work on it.
INSERT INTO idempotency_keys AS known (partner_id, key, request_hash) VALUES ($1, $2, $3)
ON CONFLICT (partner_id, key) DO UPDATE
    SET request_hash = excluded.request_hash, status = NULL, body = NULL, created_at = now()
    WHERE known.created_at < now() - $4::interval
RETURNING true;

-- name: stored_answer
-- What the key was used for, and the answer.
SELECT request_hash, status, body FROM idempotency_keys WHERE partner_id = $1 AND key = $2;

-- name: store_answer
-- The answer, in the transaction of what it tells.
UPDATE idempotency_keys SET status = $3, body = $4 WHERE partner_id = $1 AND key = $2;

-- name: forget_old_keys
-- A few of the partner's keys that are over, as the sweeper takes them out: every new one makes up for more than itself.
DELETE FROM idempotency_keys WHERE partner_id = $1 AND key IN (
    SELECT key FROM idempotency_keys WHERE partner_id = $1 AND created_at < now() - $2::interval
    ORDER BY created_at LIMIT 5 FOR UPDATE SKIP LOCKED);
