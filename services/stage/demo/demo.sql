-- What became of the records of one run of the demo, as the database has it.

-- name: outcomes
-- Decisions about a partner's customers, by outcome and reason.
SELECT outcome, coalesce(reason, '') AS detail, count(*)
FROM decisions WHERE partner_id = $1 GROUP BY 1, 2;

-- name: letters
-- Dead letters by stage, of the records whose header demo_record begins with $1.
SELECT stage, count(*)
FROM dead_letters
WHERE EXISTS (
    SELECT FROM unnest(header_names, header_values) AS header (name, value)
    WHERE name = 'demo_record' AND substring(value FOR octet_length($1::bytea)) = $1)
GROUP BY 1;
