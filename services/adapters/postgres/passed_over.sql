-- Where records stood that concern nobody.

-- name: note
-- Widen the spans by these records; how many are new, by reason: those behind the last one met before.
WITH met AS (
    SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::bigint[])
        AS met (topic, partition, type, reason, "offset")
), fresh AS (
    SELECT m.reason, count(*) AS records
    FROM met m LEFT JOIN passed_over p USING (topic, partition, type, reason)
    WHERE p.last_offset IS NULL OR m."offset" > p.last_offset
    GROUP BY m.reason
), noted AS (
    INSERT INTO passed_over AS p (topic, partition, type, reason, first_offset, last_offset)
    SELECT topic, partition, type, reason, min("offset"), max("offset") FROM met
    GROUP BY topic, partition, type, reason ORDER BY topic, partition, type, reason
    ON CONFLICT (topic, partition, type, reason) DO UPDATE
        SET first_offset = least(p.first_offset, excluded.first_offset),
            last_offset = greatest(p.last_offset, excluded.last_offset)
)
SELECT reason, records FROM fresh;

-- name: spans
-- All of them.
SELECT topic, partition, type, first_offset, last_offset FROM passed_over;
