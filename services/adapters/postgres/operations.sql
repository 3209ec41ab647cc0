-- Bulk operations of operators. Whoever runs one holds an advisory lock on its id for as long as the session lives, so
-- that an operation without `finished_at` whose lock is free was interrupted.

-- name: begin
-- A new operation.
INSERT INTO operations (command, actor, reason, request, progress) VALUES ($1, $2, $3, $4, $5) RETURNING id;

-- name: unfinished
-- Operations of a command that have not ended, newest first; with $2, only those with exactly this request.
SELECT id FROM operations
WHERE command = $1 AND finished_at IS NULL AND ($2::jsonb IS NULL OR request = $2) ORDER BY id DESC;

-- name: operation
-- One operation that has not ended, as it stands.
SELECT request, progress, counts FROM operations WHERE id = $1 AND finished_at IS NULL;

-- name: take
-- True if nobody else runs this operation; ours until the session ends.
SELECT pg_try_advisory_lock($1, $2);

-- name: leave
-- Let go of it.
SELECT pg_advisory_unlock($1, $2);

-- name: add_counts
-- Add numbers by name, in the transaction of what they count.
UPDATE operations SET moved_at = clock_timestamp(), counts = (
    SELECT coalesce(jsonb_object_agg(name, number), '{}')
    FROM (SELECT name, sum(number::bigint) AS number
          FROM (SELECT * FROM jsonb_each_text(counts) UNION ALL SELECT * FROM jsonb_each_text($2)) AS added (name, number)
          GROUP BY name) AS summed)
WHERE id = $1;

-- name: move
-- How far it has come.
UPDATE operations SET moved_at = clock_timestamp(), progress = $2 WHERE id = $1;

-- name: finish
-- It has ended.
UPDATE operations SET moved_at = clock_timestamp(), finished_at = clock_timestamp() WHERE id = $1;
