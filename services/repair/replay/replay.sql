-- What a replay asks besides the pipeline.

-- name: last_decision
-- The number given last to a decision, by anybody.
SELECT last_value FROM decisions_seq_seq;

-- name: close_letters
-- Open dead letters of records that have now been decided after all, locked in the order in which everybody does.
WITH found AS MATERIALIZED (
    SELECT l.id FROM dead_letters l
    JOIN unnest($1::text[], $2::integer[], $3::bigint[]) AS n (topic, partition, "offset") USING (topic, partition, "offset")
    WHERE l.state = 'open' ORDER BY l.id FOR UPDATE OF l
)
UPDATE dead_letters l SET state = 'decided' FROM found WHERE l.id = found.id AND l.state = 'open';
