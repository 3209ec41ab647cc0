-- Why an event did or did not issue a coupon. All of these return whole rows of `decisions` or `dead_letters`.

-- name: decisions_of_event
-- The decisions of one event id, whatever its source: the keys between the lowest and the highest of that id.
SELECT * FROM decisions WHERE event_key BETWEEN $1 AND $2 AND event_id = $3 ORDER BY seq;

-- name: letters_of_event
-- Its dead letters, oldest first.
SELECT * FROM dead_letters WHERE event_id = $1 ORDER BY id;

-- name: decision_at
-- The decision made of the record at this place. No index serves it: one pass over the table.
SELECT * FROM decisions WHERE topic = $1 AND partition = $2 AND "offset" = $3;

-- name: letter_at
-- The dead letter of the record at this place.
SELECT * FROM dead_letters WHERE topic = $1 AND partition = $2 AND "offset" = $3;

-- name: decision_of_coupon
-- The decision that issued a coupon.
SELECT d.* FROM coupons c JOIN decisions d USING (event_key) WHERE c.id = $1;

-- name: decision_of_code
-- The same by code; a prefix, if given, must be the coupon's.
SELECT d.* FROM coupons c JOIN decisions d USING (event_key)
WHERE c.code = $1 AND ($2 = '' OR upper(c.code_prefix) = $2);

-- name: decisions_of_customer
-- Everything decided for a customer, in the order in which it was.
SELECT d.* FROM customers cu JOIN decisions d USING (customer_no)
WHERE cu.partner_id = $1 AND cu.customer_id = $2
ORDER BY d.seq;
