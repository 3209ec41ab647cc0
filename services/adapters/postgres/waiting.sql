-- Records that wait until they can be judged. A queue is what a customer has waiting of one game, or of orders.

-- name: put
-- Keep a record; one that waits already has been tried once more, and rests longer each time, up to 15 s. One that comes
-- again from its topic and would wait behind others ($16) waits as it does: it may be the very first of them.
INSERT INTO waiting_records AS w (topic, partition, "offset", event_key, timestamp_ms, timestamp_type, key, value,
                                  header_names, header_values, partner_id, customer_id, game_id, why, todo, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, clock_timestamp() + interval '1 second')
ON CONFLICT (topic, partition, "offset", event_key) DO UPDATE
    SET why = excluded.why, todo = excluded.todo, tries = w.tries + 1,
        next_at = clock_timestamp() + interval '1 second' * least(15, 2 ^ least(w.tries + 1, 4)) * (0.75 + random() / 4)
    WHERE NOT $16::boolean;

-- name: queues_of
-- What these customers have waiting.
SELECT DISTINCT w.partner_id, w.customer_id, w.game_id
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, customer_id)
JOIN waiting_records w ON w.partner_id = named.partner_id AND w.customer_id = named.customer_id;

-- name: due
-- The first of every queue whose turn it is, the longest due first.
SELECT w.* FROM waiting_records w
WHERE w.next_at <= clock_timestamp() AND NOT EXISTS (
    SELECT FROM waiting_records e
    WHERE e.partner_id = w.partner_id AND e.customer_id = w.customer_id
      AND e.game_id IS NOT DISTINCT FROM w.game_id AND e.place < w.place)
ORDER BY w.next_at LIMIT $1;

-- name: hold
-- Those of these that still wait and that nobody else tries now; nobody else will before this transaction has ended.
SELECT place FROM waiting_records WHERE place = ANY ($1::bigint[]) FOR UPDATE SKIP LOCKED;

-- name: remove
-- These wait no longer.
DELETE FROM waiting_records WHERE place = ANY ($1::bigint[]);

-- name: rest
-- These were tried in vain.
UPDATE waiting_records
SET tries = tries + 1, next_at = clock_timestamp() + interval '1 second' * least(15, 2 ^ least(tries + 1, 4))
WHERE place = ANY ($1::bigint[]);

-- name: first
-- How many wait ($1 at most), and the one that has waited longest.
SELECT (SELECT count(*) FROM (SELECT FROM waiting_records LIMIT $1) AS counted) AS records, w.*
FROM waiting_records w ORDER BY w.place LIMIT 1;

-- name: list
-- The first of them, in the order in which they came.
SELECT partner_id, topic, partition, "offset", why, todo, since, tries FROM waiting_records ORDER BY place LIMIT $1;
