-- Why an event did or did not issue a coupon. Every one of these goes by a key, but for three that say so:
-- with millions of decisions the answer still takes milliseconds.

-- name: decisions_of_event
-- The decisions of one event id, whatever its source: the keys between the lowest and the highest of that id.
SELECT * FROM decisions WHERE event_key BETWEEN $1 AND $2 AND event_id = $3 ORDER BY seq;

-- name: letters_of_events
-- The dead letters of these event ids, oldest first.
SELECT * FROM dead_letters WHERE event_id = ANY ($1::text[]) ORDER BY id;

-- name: decision_at
-- The decision made of the record at this position. No index serves it: one pass over the table.
SELECT * FROM decisions WHERE topic = $1 AND partition = $2 AND "offset" = $3;

-- name: letter_at
-- The dead letter of the record at this position.
SELECT * FROM dead_letters WHERE topic = $1 AND partition = $2 AND "offset" = $3;

-- name: decision_of_coupon
-- The decision that issued a coupon.
SELECT d.* FROM coupons c JOIN decisions d USING (event_key) WHERE c.id = $1;

-- name: decision_of_code
-- The same by code, with the prefix that the coupon has.
SELECT d.*, c.code_prefix FROM coupons c JOIN decisions d USING (event_key) WHERE c.code = $1;

-- name: decisions_of_external_code
-- The decisions that issued coupons with this code of a partner's own: by a key in each partner, one pass over those.
SELECT d.* FROM partners p
CROSS JOIN LATERAL (SELECT * FROM coupons WHERE partner_id = p.id AND external_code = $1 OFFSET 0) AS c
JOIN decisions d USING (event_key) ORDER BY d.seq;

-- name: decisions_of_customer
-- Everything decided for a customer, in the order in which it was.
SELECT d.* FROM customers cu JOIN decisions d USING (customer_no)
WHERE cu.partner_id = $1 AND cu.customer_id = $2
ORDER BY d.seq;

-- name: rules
-- Games as they were at these versions.
SELECT v.game_id, v.version, v.rules
FROM unnest($1::bigint[], $2::integer[]) AS named (game_id, version) JOIN game_versions v USING (game_id, version);

-- name: parties
-- Customers by number, with their partner and its time zone.
SELECT cu.customer_no, cu.customer_id, p.id AS partner_id, p.name AS partner, p.time_zone
FROM customers cu JOIN partners p ON p.id = cu.partner_id WHERE cu.customer_no = ANY ($1::bigint[]);

-- name: coupons_concerned
-- Coupons with these ids ($1), and those of these customers ($2) that these events ($3) issued or changed.
SELECT c.* FROM coupons c WHERE c.id = ANY ($1::uuid[])
UNION
SELECT c.* FROM coupons c WHERE c.customer_no = ANY ($2::bigint[]) AND c.event_key = ANY ($3::uuid[])
UNION
SELECT c.* FROM coupons c CROSS JOIN LATERAL (
    SELECT FROM coupon_history h WHERE h.coupon_id = c.id AND h.event_key = ANY ($3::uuid[]) LIMIT 1) AS changed
WHERE c.customer_no = ANY ($2::bigint[]);

-- name: steps
-- Everything that happened to these coupons after their issue.
SELECT * FROM coupon_history WHERE coupon_id = ANY ($1::uuid[]) ORDER BY coupon_id, step;

-- name: deliveries
-- What partners' own systems are told of these coupons.
SELECT * FROM deliveries WHERE coupon_id = ANY ($1::uuid[]) ORDER BY coupon_id, at, number;

-- name: attempts
-- Every attempt at that.
SELECT coupon_id, kind, number, at, status, error, duration_ms FROM delivery_attempts
WHERE coupon_id = ANY ($1::uuid[]) ORDER BY coupon_id, kind, number;

-- name: issued_by_hand
-- Who issued which of these coupons by hand, and why. Each partner's log is looked up by its coupons.
SELECT a.subject_id, a.actor, a.after ->> 'reason' AS reason
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, coupon_id)
JOIN audit_log a ON a.partner_id = named.partner_id AND a.action = 'coupon.issued' AND a.subject_id = named.coupon_id;

-- name: stamps
-- The stamps that these orders' events gave.
SELECT s.event_key, s.game_id, s.card_no, s.taken_back
FROM unnest($1::bigint[], $2::text[], $3::uuid[]) AS named (partner_id, order_id, event_key)
JOIN order_stamps s USING (partner_id, order_id, event_key) ORDER BY s.game_id;

-- name: still_queued
-- Which of these events and letters wait in the outbox, or were set aside; and what is told of these decisions' programs
-- ($3), whose ids begin with their keys. One pass over the outbox, which holds only what is not published yet.
SELECT ce_id, ce_type, dead_letter_id, topic, queued_at, refused, republished FROM outbox
WHERE ce_id = ANY ($1::text[]) OR dead_letter_id = ANY ($2::bigint[]) OR split_part(ce_id, '.', 1) = ANY ($3::text[])
ORDER BY id;

-- name: campaign_names
-- What the campaigns of these programs were called at these versions.
SELECT v.partner_id, v.version, (campaign ->> 'id')::bigint AS id, campaign ->> 'name' AS name
FROM unnest($1::bigint[], $2::integer[]) AS named (partner_id, version)
JOIN program_versions v USING (partner_id, version)
CROSS JOIN LATERAL jsonb_array_elements(coalesce(v.sections -> 'campaigns', '[]')) AS campaign;

-- name: handled
-- What was done about these letters, oldest first, by whom and why.
SELECT a.dead_letter_id, a.at, a.outcome, o.command, o.id AS operation, o.actor, o.reason
FROM dead_letter_actions a JOIN operations o ON o.id = a.operation_id
WHERE a.dead_letter_id = ANY ($1::bigint[]) ORDER BY a.at, o.id;

-- name: waiting
-- Records that wait, of these event keys, at this position of one of these topics, or of this customer.
SELECT * FROM waiting_records
WHERE event_key BETWEEN $1 AND $2
   OR (topic = ANY ($3::text[]) AND partition = $4 AND "offset" = $5)
   OR (partner_id = $6 AND customer_id = $7)
ORDER BY place;
