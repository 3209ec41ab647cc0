-- Records whose decision says where it was read from.

-- name: not_decided_from
-- Positions, in these arrays, of records of one topic that are not where the decision under their key was read from.
SELECT read.position
FROM unnest($2::uuid[], $3::integer[], $4::bigint[]) WITH ORDINALITY AS read (event_key, partition, "offset", position)
WHERE (SELECT true FROM decisions d
       WHERE d.event_key = read.event_key AND d."offset" = read."offset" AND d.partition = read.partition AND d.topic = $1
       LIMIT 1) IS NULL
ORDER BY read.position;
