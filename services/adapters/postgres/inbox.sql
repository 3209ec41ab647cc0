-- Which events are decided, and the locks that serialise a customer. Look-ups are keyed; the issuer's sessions have
-- sequential scans switched off.

-- name: open_batch
-- Which of the events $1 are decided; if none is, the customers ($2, $3), locked, and the holders of the places ($4, $5).
-- `now` is the bare clock, after all locks: the function has returned by then.
SELECT *, clock_timestamp() AS now FROM open_batch($1::uuid[], $2::bigint[], $3::text[], $4::integer[], $5::bigint[], $6::interval);

-- name: decided
-- Which of these events have their decision already; id and source tell a repeat from a key collision.
SELECT event_key, event_id, event_source FROM decisions WHERE event_key = ANY($1::uuid[]);

-- name: decision
-- The decision of this event; id and source tell it from one whose key collides.
SELECT * FROM decisions WHERE event_key = $1 AND event_id = $2 AND event_source = $3;

-- name: lock_customers
-- Lock the customers (arrays sorted, so that two batches cannot deadlock), add the missing ones, and take each one's
-- decision instant: after its lock, from the database's clock, never before anything decided for that customer.
-- A row that was there is updated and so carries our transaction in xmax; a new one carries nothing.
INSERT INTO customers AS known (partner_id, customer_id, last_at)
SELECT named.partner_id, named.customer_id, clock_timestamp() + $3::interval
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, customer_id)
ON CONFLICT (partner_id, customer_id) DO UPDATE
    SET last_at = greatest(known.last_at, clock_timestamp() + $3::interval)
RETURNING partner_id, customer_id, customer_no, last_at, (xmax = 0) AS is_new, clock_timestamp() AS now;
