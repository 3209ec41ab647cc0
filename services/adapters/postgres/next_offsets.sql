-- Where reading goes on, by partition.

-- name: note
-- These partitions ($1, $2) are decided up to $3; returns those of which less is known than $4, where that is not null: of
-- them nothing is noted.
WITH told AS (
    SELECT d.topic, d.partition, d.next_offset, d.noted_before, n.next_offset AS known
    FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[])
        AS d (topic, partition, next_offset, noted_before)
    LEFT JOIN next_offsets n ON n.topic = d.topic AND n.partition = d.partition
), noted AS (
    INSERT INTO next_offsets AS n (topic, partition, next_offset)
    SELECT topic, partition, next_offset FROM told WHERE noted_before IS NULL OR known >= noted_before
    ORDER BY topic, partition
    ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(n.next_offset, excluded.next_offset)
)
SELECT topic, partition, known FROM told WHERE noted_before > coalesce(known, -1);

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
