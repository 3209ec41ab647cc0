-- Ids that came again for another event.

-- name: note
-- Keep those of these repeats ($1 keys; $2 partners, $3 customers, $4 types; $5 to $7 their places) that say something else
-- than what was decided under their key; how many of them were not met before.
WITH found AS (
    INSERT INTO reused_ids (topic, partition, "offset", event_key, partner_id, customer_id, event_type)
    SELECT DISTINCT ON (n.topic, n.partition, n."offset", n.event_key)
           n.topic, n.partition, n."offset", n.event_key, n.partner_id, n.customer_id, n.event_type
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::bigint[])
        AS n (event_key, partner_id, customer_id, event_type, topic, partition, "offset")
    JOIN decisions d ON d.event_key = n.event_key
    JOIN customers c ON c.customer_no = d.customer_no
    WHERE (n.partner_id, n.customer_id, n.event_type) IS DISTINCT FROM (d.partner_id, c.customer_id, d.event_type)
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM found;

-- name: of_events
-- Of these events, oldest first.
SELECT * FROM reused_ids WHERE event_key = ANY ($1::uuid[]) ORDER BY seen_at;
