-- Dead letters as operators work on them. What was done about one is added to dead_letter_actions in the same statement.

-- name: bury
-- Keep dead letters, one per record; returns the new ones, whose bytes still have to be published.
INSERT INTO dead_letters (topic, partition, "offset", record_time, stage, exception, message, key, value,
                          event_id, event_source, event_type, header_names, header_values)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (topic, partition, "offset") DO NOTHING
RETURNING id;

-- name: give_way
-- If the letter at this place is of another record than this one, the topic was made anew: the letter gives way. What an
-- emptied one was made of, its time alone tells.
UPDATE dead_letters SET topic = topic || '#' || id
WHERE topic = $1 AND partition = $2 AND "offset" = $3
  AND (record_time <> $4::timestamptz
       OR emptied_at IS NULL AND (key, value) IS DISTINCT FROM ($5::bytea, $6::bytea))
RETURNING id;

-- name: page
-- Letters above an id that every filter lets through (a null one lets all), oldest first; without those that operation
-- $15 has handled. Texts are looked for in the message and the bytes of key and value.
SELECT id, split_part(topic, '#', 1) AS topic, partition, "offset", stage, exception, message, created_at, state,
       attempts, emptied_at, event_id, event_source AS source, event_type AS type,
       coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) AS bytes
FROM dead_letters l
WHERE id > $1
  AND ($3::bigint[] IS NULL OR id = ANY ($3))
  AND ($4::text[] IS NULL OR split_part(topic, '#', 1) = ANY ($4))
  AND ($5::integer[] IS NULL OR partition = ANY ($5))
  AND ($6::bigint[] IS NULL OR "offset" = ANY ($6))
  AND ($7::text[] IS NULL OR stage = ANY ($7))
  AND ($8::text[] IS NULL OR state = ANY ($8))
  AND ($9::text[] IS NULL OR exception = ANY ($9))
  AND ($10::text[] IS NULL OR event_id = ANY ($10))
  AND ($11::text[] IS NULL OR EXISTS (
        SELECT FROM unnest($11) AS wanted WHERE position(lower(wanted) IN lower(l.message)) > 0))
  AND ($12::text[] IS NULL OR EXISTS (
        SELECT FROM unnest($12) AS wanted
        WHERE position(lower(wanted) IN lower(l.message)) > 0
           OR position(convert_to(wanted, 'UTF8') IN l.value) > 0
           OR position(convert_to(wanted, 'UTF8') IN l.key) > 0))
  AND created_at >= coalesce($13::timestamptz, '-infinity') AND created_at < coalesce($14::timestamptz, 'infinity')
  AND NOT EXISTS (SELECT FROM dead_letter_actions a WHERE a.operation_id = $15 AND a.dead_letter_id = l.id)
ORDER BY id LIMIT $2;

-- name: whole
-- These letters with their bytes.
SELECT * FROM dead_letters WHERE id = ANY ($1::bigint[]) ORDER BY id;

-- name: at_position
-- The number of the letter of this record.
SELECT id FROM dead_letters WHERE topic = ANY ($1::text[]) AND partition = $2 AND "offset" = $3;

-- name: close
-- Letters that need no more work, from whatever state still allows it; returns those that this changed.
WITH handled AS (
    INSERT INTO dead_letter_actions (operation_id, dead_letter_id, outcome)
    SELECT $1, id, $3 FROM dead_letters WHERE id = ANY ($2::bigint[]) AND state IN ('open', 'discarded')
    ORDER BY id FOR UPDATE
    ON CONFLICT DO NOTHING
    RETURNING dead_letter_id
)
UPDATE dead_letters SET state = $3, attempts = attempts + $4 FROM handled WHERE id = dead_letter_id RETURNING id;

-- name: died_again
-- Letters that failed once more, with what they died of this time; returns those that this counted.
WITH handled AS (
    INSERT INTO dead_letter_actions (operation_id, dead_letter_id, outcome)
    SELECT $1, id, 'dead' FROM dead_letters WHERE id = ANY ($2::bigint[]) AND state IN ('open', 'discarded')
    ORDER BY id FOR UPDATE
    ON CONFLICT DO NOTHING
    RETURNING dead_letter_id
)
UPDATE dead_letters l
SET attempts = attempts + 1, stage = n.stage, exception = n.exception, message = n.message
FROM handled JOIN unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS n (id, stage, exception, message)
     ON n.id = dead_letter_id
WHERE l.id = dead_letter_id
RETURNING l.id;

-- name: decided_events
-- Which of these events have been decided; id and source, because keys may collide.
SELECT event_id, event_source FROM decisions WHERE event_key = ANY ($1::uuid[]);

-- name: actions
-- What was done about a letter, oldest first, by whom and why.
SELECT a.at, o.command, a.outcome, o.actor, o.reason, o.id AS operation
FROM dead_letter_actions a JOIN operations o ON o.id = a.operation_id
WHERE a.dead_letter_id = $1 ORDER BY a.at, o.id;

-- name: open_letters_before
-- For each partition: how many of the 1,000 records before this offset are dead letters nobody has dealt with.
SELECT named.topic, named.partition, letters.open
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS named (topic, partition, first_offset)
CROSS JOIN LATERAL (
    SELECT count(*) AS open FROM dead_letters d
    WHERE d.topic = named.topic AND d.partition = named.partition
      AND d."offset" >= named.first_offset - $4::bigint AND d."offset" < named.first_offset
      AND d.state = 'open'
) AS letters;
