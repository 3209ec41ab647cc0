-- What waits to be published.

-- name: queue_and_confirm
-- Queue rows, then read the versions of games in force now, held until the commit. The count makes the order certain:
-- every row is queued before the first game is locked.
WITH queued AS (
    INSERT INTO outbox (ce_time, dead_letter_id, topic, ce_type, ce_id, subject, key, value, republished)
    SELECT * FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::text[], $9::boolean[])
    RETURNING 1
)
SELECT id, version FROM games WHERE id = ANY($10::bigint[]) AND (SELECT count(*) FROM queued) >= 0
ORDER BY id FOR SHARE OF games;

-- name: backlog
-- How many rows of the outbox wait from $1 on, counted up to $2, and the lowest of them; if none does, the last id given.
SELECT count(*) AS waiting, coalesce(min(id), (SELECT last_value FROM outbox_id_seq)) AS lowest
FROM (SELECT id FROM outbox WHERE id >= $1 AND refused IS NULL ORDER BY id LIMIT $2) AS first_ones;
