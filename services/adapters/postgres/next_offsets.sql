-- Where reading goes on, by partition.

-- name: noting
-- Partitions are decided up to there. Where less is known than was noted before, the database went back: the offset that
-- is missing then fails the statement, and what is committed with it. Where nothing is known any more, the topic was made
-- anew, and nothing is noted. The rows stand in the text, since it goes in one message with a commit.
INSERT INTO next_offsets AS n (topic, partition, next_offset)
SELECT d.topic, d.partition, CASE WHEN d.noted_before < 0 OR k.next_offset >= d.noted_before THEN d.next_offset END
FROM (VALUES {decided}) AS d (topic, partition, next_offset, noted_before)
LEFT JOIN next_offsets k ON k.topic = d.topic AND k.partition = d.partition
WHERE d.noted_before < 0 OR k.next_offset IS NOT NULL
ORDER BY d.topic, d.partition
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(n.next_offset, excluded.next_offset)

-- name: stored
-- What is known of these partitions.
SELECT n.topic, n.partition, n.next_offset
FROM unnest($1::text[], $2::integer[]) AS named (topic, partition) JOIN next_offsets n USING (topic, partition);

-- name: made_anew
-- These partitions begin anew: nothing is known of them, and what is told of their old records is told of another topic.
WITH forgotten AS (
    DELETE FROM next_offsets n USING unnest($1::text[], $2::integer[]) AS named (topic, partition)
    WHERE n.topic = named.topic AND n.partition = named.partition
)
UPDATE dead_letters l SET topic = l.topic || '#' || l.id
FROM unnest($1::text[], $2::integer[]) AS named (topic, partition)
WHERE l.topic = named.topic AND l.partition = named.partition;
