-- What waits to be published.

-- name: backlog
-- How many rows of the outbox wait from $1 on, counted up to $2, and the lowest of them; if none does, the last id given.
SELECT count(*) AS waiting, coalesce(min(id), (SELECT last_value FROM outbox_id_seq)) AS lowest
FROM (SELECT id FROM outbox WHERE id >= $1 AND refused IS NULL ORDER BY id LIMIT $2) AS first_ones;
