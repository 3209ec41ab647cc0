-- What partners' own coupon systems are told: each customer's line of deliveries, and every attempt.

-- name: lock_partners
-- Hold what these partners' lines have in common, beside others who do; who holds all lines of one keeps them waiting.
SELECT pg_advisory_xact_lock_shared(1885434468, keys.key)
FROM (SELECT DISTINCT hashint8(partner_id) AS key FROM unnest($1::bigint[]) AS named (partner_id) ORDER BY 1) AS keys;

-- name: lock_lines
-- Hold the lines of these customers until the commit, in one order for every process; two may share a lock.
SELECT pg_advisory_xact_lock(1685483625, keys.key)
FROM (SELECT DISTINCT hashint8(customer_no) AS key FROM unnest($1::bigint[]) AS named (customer_no) ORDER BY 1) AS keys;

-- name: lock_all_lines
-- Hold every line of a partner until the commit.
SELECT pg_advisory_xact_lock(1885434468, hashint8($1::bigint));

-- name: give_way
-- Whoever is next and not under way makes room for what is pending before it; the lines are held.
UPDATE deliveries d SET is_next = false
WHERE d.customer_no = ANY($1::bigint[]) AND d.is_next AND d.begun_at IS NULL AND EXISTS (
    SELECT FROM deliveries e
    WHERE e.customer_no = d.customer_no AND e.status = 'pending' AND (e.at, e.number) < (d.at, d.number));

-- name: take_place
-- The first that is pending in each line without a next one is next; the lines are held, and named once.
UPDATE deliveries d SET is_next = true
FROM unnest($1::bigint[]) AS line (customer_no)
CROSS JOIN LATERAL (
    SELECT e.coupon_id, e.kind FROM deliveries e
    WHERE e.customer_no = line.customer_no AND e.status = 'pending' ORDER BY e.at, e.number LIMIT 1
) AS first
WHERE d.coupon_id = first.coupon_id AND d.kind = first.kind
  AND NOT EXISTS (SELECT FROM deliveries e WHERE e.customer_no = line.customer_no AND e.is_next);

-- name: known
-- Those of these partners that have, or have had, a webhook.
SELECT partner_id FROM webhooks WHERE partner_id = ANY($1::bigint[]);

-- name: sendable
-- Those of these coupons whose codes are to come, with whose they are. Of any other the partner's system was told already, or
-- is not to be.
SELECT c.id, c.partner_id, c.customer_no, c.issued_at, c.terms ->> 'type' AS type
FROM unnest($1::uuid[]) WITH ORDINALITY AS told (id, place) JOIN coupons c USING (id)
WHERE c.code_pending
ORDER BY told.place;

-- name: cancellable
-- Of these coupons those that a partner's system may know of, and is to hear of no more. Held until the commit: nobody
-- begins to tell of one meanwhile.
SELECT d.coupon_id AS id, d.partner_id, d.customer_no, d.type
FROM deliveries d
WHERE d.coupon_id = ANY($1::uuid[]) AND d.kind = 'issued' AND d.was_sent
FOR UPDATE;

-- name: owners_of_told
-- The customers of those of these coupons that a partner's system was, or will be, told of.
SELECT DISTINCT customer_no FROM deliveries WHERE coupon_id = ANY($1::uuid[]) AND kind = 'issued';

-- name: enqueue
-- Put these deliveries into their lines, which are held, unless they are there; the customers of those that are new.
INSERT INTO deliveries (coupon_id, kind, partner_id, customer_no, at, type, status, due_at)
SELECT coupon_id, kind, partner_id, customer_no, at, type, status, due_at
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::timestamptz[])
    WITH ORDINALITY AS told (coupon_id, kind, partner_id, customer_no, at, type, status, due_at, place)
ORDER BY told.place
ON CONFLICT (coupon_id, kind) DO NOTHING
RETURNING customer_no;

-- name: waiting_partners
-- Partners that have a delivery to be begun, each with the instant at which the first of them is due. From index entry to
-- index entry: however many wait, it looks at one of each partner.
WITH RECURSIVE partner AS (
    (SELECT partner_id FROM deliveries WHERE is_next AND begun_at IS NULL ORDER BY partner_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.partner_id FROM deliveries d
            WHERE d.is_next AND d.begun_at IS NULL AND d.partner_id > p.partner_id ORDER BY d.partner_id LIMIT 1)
    FROM partner p WHERE p.partner_id IS NOT NULL
)
SELECT p.partner_id, first.due_at, clock_timestamp() + $1::interval AS now
FROM partner p
CROSS JOIN LATERAL (
    SELECT due_at FROM deliveries d
    WHERE d.partner_id = p.partner_id AND d.is_next AND d.begun_at IS NULL ORDER BY d.due_at LIMIT 1
) AS first;

-- name: due
-- Up to so many deliveries of each of these partners that are due, those that have waited longest first, with their coupons.
SELECT d.coupon_id, d.kind, d.partner_id, d.customer_no, d.type, d.attempts, d.tries, d.was_sent, d.delivered_at,
       cu.customer_id, c.code, c.code_prefix, c.status AS coupon_status, c.expires_at, c.terms,
       (SELECT o.status FROM deliveries o WHERE o.coupon_id = d.coupon_id AND o.kind = 'issued') AS issue_status
FROM unnest($1::bigint[], $2::integer[]) AS asked (partner_id, most)
CROSS JOIN LATERAL (
    SELECT * FROM deliveries w
    WHERE w.partner_id = asked.partner_id AND w.is_next AND w.begun_at IS NULL AND w.due_at <= $3::timestamptz
    ORDER BY w.due_at LIMIT asked.most
    FOR UPDATE SKIP LOCKED
) AS d
JOIN customers cu ON cu.customer_no = d.customer_no JOIN coupons c ON c.id = d.coupon_id;

-- name: begin
-- These are under way from now on; of those that are not sent after all it is said that they were looked at.
UPDATE deliveries d
SET begun_at = $4::timestamptz, attempts = d.attempts + 1, tries = d.tries + 1, was_sent = d.was_sent OR n.is_sent
FROM unnest($1::uuid[], $2::text[], $3::boolean[]) AS n (coupon_id, kind, is_sent)
WHERE d.coupon_id = n.coupon_id AND d.kind = n.kind;

-- name: put_back
-- Of these no attempt was made: they wait for another configuration.
UPDATE deliveries d SET status = 'held', is_next = false
FROM unnest($1::uuid[], $2::text[]) AS n (coupon_id, kind)
WHERE d.coupon_id = n.coupon_id AND d.kind = n.kind AND d.begun_at IS NULL AND d.status = 'pending';

-- name: under_way
-- Every delivery that is under way.
SELECT coupon_id, kind, partner_id, customer_no, attempts, tries, begun_at FROM deliveries WHERE begun_at IS NOT NULL;

-- name: still_under_way
-- Those of these attempts, by their numbers, that nobody else has ended.
SELECT d.coupon_id, d.kind FROM deliveries d
JOIN unnest($1::uuid[], $2::text[], $3::integer[]) AS n (coupon_id, kind, number) USING (coupon_id, kind)
WHERE d.begun_at IS NOT NULL AND d.attempts = n.number;

-- name: end_attempts
-- What became of attempts that are still under way, by their number; the lines are held. What was delivered before stays so;
-- of what is dead our code is the one for good.
WITH ended AS (
    UPDATE deliveries d
    SET status = CASE WHEN n.status = 'dead' AND d.delivered_at IS NOT NULL THEN 'delivered' ELSE n.status END,
        begun_at = NULL, is_next = n.status = 'pending',
        due_at = CASE WHEN n.status = 'pending' THEN $5::timestamptz + n.pause ELSE d.due_at END,
        delivered_at = CASE WHEN n.status = 'delivered' THEN coalesce(d.delivered_at, $5::timestamptz) ELSE d.delivered_at END
    FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $6::interval[]) AS n (coupon_id, kind, number, status, pause)
    WHERE d.coupon_id = n.coupon_id AND d.kind = n.kind AND d.begun_at IS NOT NULL AND d.attempts = n.number
    RETURNING d.coupon_id, d.kind, d.status
), final AS (
    UPDATE coupons c SET code_pending = false FROM ended e
    WHERE c.id = e.coupon_id AND c.code_pending AND e.kind = 'issued' AND e.status = 'dead'
)
SELECT coupon_id, kind, status FROM ended;

-- name: keep_attempts
-- How attempts went. One that counted as interrupted has been kept already.
INSERT INTO delivery_attempts (coupon_id, kind, number, partner_id, at, status, error, duration_ms, detail, request)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::bigint[], $5::timestamptz[], $6::integer[], $7::text[],
                     $8::integer[], $9::text[], $10::json[])
ON CONFLICT (coupon_id, kind, number) DO NOTHING;

-- name: to_settle
-- Customers of a partner whose waiting deliveries are not as the configuration of now has them: some of these types ($2, and
-- cancellations if $3) are held, or some of the others are not. $4 of them at most.
SELECT DISTINCT customer_no FROM (
    SELECT customer_no FROM deliveries d
    WHERE d.partner_id = $1 AND d.status IN ('pending', 'held') AND d.begun_at IS NULL
      AND (d.status = 'pending') <> (d.type = ANY($2::text[]) AND (d.kind = 'issued' OR $3::boolean))
    LIMIT $4
) AS found;

-- name: settle
-- Bring the waiting deliveries of these customers to what the configuration of now says; their lines are held.
UPDATE deliveries d
SET status = CASE WHEN d.status = 'held' THEN 'pending' ELSE 'held' END, is_next = false,
    due_at = CASE WHEN d.status = 'held' THEN $5::timestamptz ELSE d.due_at END
WHERE d.partner_id = $1 AND d.customer_no = ANY($4::bigint[]) AND d.status IN ('pending', 'held') AND d.begun_at IS NULL
  AND (d.status = 'pending') <> (d.type = ANY($2::text[]) AND (d.kind = 'issued' OR $3::boolean));

-- name: configured
-- At which revision the program of each partner is that ever had a webhook.
SELECT w.partner_id, p.revision FROM webhooks w JOIN programs p USING (partner_id);

-- name: figures
-- How many deliveries are pending, counted up to $1, and for how long the first of them has been.
SELECT count(*) AS pending, coalesce(extract(epoch FROM clock_timestamp() + $2::interval - min(at)), 0)::float8 AS oldest_seconds
FROM (SELECT at FROM deliveries WHERE status = 'pending' LIMIT $1) AS found;

-- name: reads_as_own
-- Which of these codes, read as ours, are another coupon's or wait to be one, by their places from 1 on.
SELECT codes_that_read_as_own($1::uuid[], $2::text[], $3::text[]) AS place;

-- name: taken_as_written
-- Which of these codes, exactly as they are written, the partner has already for another coupon or in a pool; by places.
SELECT given.place
FROM unnest($1::uuid[], $2::bigint[], $3::text[]) WITH ORDINALITY AS given (coupon_id, partner_id, code, place)
WHERE EXISTS (SELECT FROM coupons c WHERE c.partner_id = given.partner_id AND c.external_code = given.code AND c.id <> given.coupon_id)
   OR EXISTS (SELECT FROM pool_codes p WHERE p.partner_id = given.partner_id AND p.code = given.code AND p.coupon_id IS DISTINCT FROM given.coupon_id);

-- name: give_codes
-- These codes to these coupons, whose owners are locked; the coupons that had none yet.
UPDATE coupons c SET external_code = n.code, code_from = 'webhook', code_pending = false
FROM unnest($1::uuid[], $2::text[]) AS n (coupon_id, code)
WHERE c.id = n.coupon_id AND c.external_code IS NULL
RETURNING c.id;

-- name: delivery
-- A delivery, with its coupon's owner and code.
SELECT d.*, cu.customer_id, c.external_code
FROM deliveries d JOIN customers cu USING (customer_no) JOIN coupons c ON c.id = d.coupon_id
WHERE d.coupon_id = $1 AND d.kind = $2;

-- name: queue_again
-- Send this one again as if it had never been tried, now; one that waits already is tried now. Its line is held. Its code is
-- to come again, if the partner's system has given none.
WITH again AS (
    UPDATE deliveries
    SET status = CASE WHEN status = 'held' THEN 'held' ELSE 'pending' END, due_at = $3::timestamptz,
        tries = CASE WHEN status IN ('dead', 'delivered') THEN 0 ELSE tries END
    WHERE coupon_id = $1 AND kind = $2 AND begun_at IS NULL
    RETURNING coupon_id, kind
)
UPDATE coupons c SET code_pending = true FROM again a
WHERE c.id = a.coupon_id AND a.kind = 'issued' AND c.external_code IS NULL AND NOT c.code_pending;

-- name: revive
-- Queue a partner's dead deliveries of coupons that were issued between two instants, both inside; all its lines are held.
-- Their codes are to come again, of which there are none yet.
WITH again AS (
    UPDATE deliveries SET status = $4, tries = 0, due_at = $5::timestamptz
    WHERE partner_id = $1 AND kind = 'issued' AND status = 'dead' AND at >= $2 AND at <= $3
    RETURNING coupon_id, customer_no
), to_come AS (
    UPDATE coupons c SET code_pending = true FROM again a WHERE c.id = a.coupon_id AND c.external_code IS NULL
)
SELECT customer_no FROM again;

-- name: enqueue_untold
-- Queue a partner's coupons that were issued between two instants, both inside, of which nothing was ever told: those whose
-- codes are to come, and of these types those issued before it had a webhook, whose codes are to come from now on. In the
-- order of issue; all its lines are held.
WITH new AS (
    INSERT INTO deliveries (coupon_id, kind, partner_id, customer_no, at, type, status, due_at)
    SELECT c.id, 'issued', c.partner_id, c.customer_no, c.issued_at, c.terms ->> 'type', $5, $6::timestamptz
    FROM coupons c JOIN webhooks w USING (partner_id)
    WHERE c.partner_id = $1 AND c.issued_at >= $2 AND c.issued_at <= $3
      AND (c.code_pending OR c.game_id IS NULL AND c.terms ->> 'type' = ANY($4::text[]) AND c.code_from IS DISTINCT FROM 'pool'
                             AND c.issued_at < w.since)
    ORDER BY c.issued_at, c.id
    ON CONFLICT (coupon_id, kind) DO NOTHING
    RETURNING coupon_id, customer_no
), to_come AS (
    UPDATE coupons c SET code_pending = true FROM new n WHERE c.id = n.coupon_id AND c.external_code IS NULL AND NOT c.code_pending
)
SELECT customer_no FROM new;

-- name: take_code
-- The partner has told the code by itself: delivered, whatever it waited for; its line is held.
UPDATE deliveries
SET status = 'delivered', delivered_at = coalesce(delivered_at, $2::timestamptz), is_next = false, begun_at = NULL
WHERE coupon_id = $1 AND kind = 'issued';
