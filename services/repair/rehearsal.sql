-- What a decision that nobody will record reads: the same as a real one, without locking or adding anything.

-- name: customers
-- The named customers as far as they are known, with the instant at which each would be decided.
SELECT named.partner_id, named.customer_id, known.customer_no,
       greatest(known.last_at, clock_timestamp() + $3::interval) AS at
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, customer_id)
LEFT JOIN LATERAL (
    SELECT customer_no, last_at FROM customers c
    WHERE c.partner_id = named.partner_id AND c.customer_id = named.customer_id
    LIMIT 1
) AS known ON true;

-- name: letters_kept
-- How many of these records have a dead letter.
SELECT count(*)
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS named (topic, partition, "offset")
WHERE EXISTS (
    SELECT FROM dead_letters d
    WHERE d.topic = named.topic AND d.partition = named.partition AND d."offset" = named."offset");
