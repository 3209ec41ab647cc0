-- What a replay asks besides the pipeline.

-- name: last_decision
-- The number given last to a decision, by anybody.
SELECT last_value FROM decisions_seq_seq;

-- name: close_letters
-- Open dead letters of records that have now been decided after all.
UPDATE dead_letters l SET state = 'decided'
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS n (topic, partition, "offset")
WHERE l.topic = n.topic AND l.partition = n.partition AND l."offset" = n."offset" AND l.state = 'open';
