-- Giving customers their time back after the database's clock was wrong. Its instants then are [$from, $to).

-- name: shift
-- By how much the clock was ahead (negative: behind) at the instants from $1 to $2, as it is $3 now ($4: the test clock's
-- offset). A coupon's id carries the time of another clock. Decisions that were held up at a customer's newest instant
-- share it with the one that set it, so the widest distance of each instant counts; of those the narrowest, since a
-- coupon is issued a little after its id is drawn. Without any, how far the newest customer is ahead of now.
WITH issued AS (
    SELECT d.customer_no, d.decided_at, d.decided_at - $4::interval
           - to_timestamp(('x0000' || left(replace(d.coupon_id::text, '-', ''), 12))::bit(64)::bigint / 1000.0) AS ahead
    FROM decisions d
    WHERE d.decided_at >= $1 AND d.decided_at < $2 AND substr(d.coupon_id::text, 15, 1) = '7'
), per_instant AS (
    SELECT max(ahead) AS ahead FROM issued GROUP BY customer_no, decided_at
)
SELECT coalesce(
    (SELECT min(ahead) FROM per_instant WHERE ahead < -$5::interval),
    (SELECT min(ahead) FROM per_instant WHERE ahead > $5::interval),
    (SELECT max(last_at) - $3::timestamptz FROM customers WHERE last_at >= $1 AND last_at < $2 AND last_at > $3 + $5),
    '0');

-- name: end_of_page
-- The customer with which a page ends; null when there is none.
SELECT max(customer_no) FROM (SELECT customer_no FROM customers WHERE customer_no > $1 ORDER BY customer_no LIMIT $2) AS page;

-- name: touched
-- Customers of a page whose newest instant, coupons or steps may be of those instants.
SELECT cu.customer_no FROM customers cu
WHERE cu.customer_no > $1 AND cu.customer_no <= $2
  AND ((cu.last_at >= $3 AND cu.last_at < $4 AND cu.last_at > clock_timestamp() + $5::interval)
       OR EXISTS (
           SELECT FROM coupons c WHERE c.customer_no = cu.customer_no
           AND ((c.issued_at >= $3 AND c.issued_at < $4)
                OR (c.steps > 0 AND EXISTS (
                    SELECT FROM coupon_history h WHERE h.coupon_id = c.id AND h.at >= $3 AND h.at < $4)))));

-- name: hold
-- Lock these customers, in the order in which everybody does; what time it is then.
WITH held AS MATERIALIZED (
    SELECT FROM customers WHERE customer_no = ANY($1::bigint[]) ORDER BY partner_id, customer_id FOR UPDATE
)
SELECT count(*), clock_timestamp() + $2::interval AS at FROM held;

-- name: begin_mending
-- Until the end of this transaction the ends of coupons may be moved.
SET LOCAL couponry.mending = 'on';

-- name: mend
-- Of the customers $1: coupons issued or moved on from $2 to $3, when the clock was $4 ahead, as it is $5 now ($6: the
-- test clock's offset). Coupons issued then get the validity of the instant it really was; reservations made then keep
-- their length. Recorded for operation $7. $8: lead times of notices in hours. What was mended before is left alone.
WITH seen AS MATERIALIZED (
    SELECT c.id, c.steps, c.status, c.issued_at, c.expires_at, c.reserved_until, c.mended_at, c.rule_validity_days,
           drawn.at AS drawn_at,
           c.mended_at IS NULL AND c.issued_at >= $2 AND c.issued_at < $3 AND (
               c.issued_at > $5
               OR abs(extract(epoch FROM c.issued_at - drawn.at - $4::interval)) < abs(extract(epoch FROM c.issued_at - drawn.at))
           ) AS is_issued_then,
           coalesce((SELECT max(m.steps) FROM clock_mends m WHERE m.coupon_id = c.id), 0) AS steps_mended
    FROM unnest($1::bigint[]) AS named (customer_no)
    CROSS JOIN LATERAL (SELECT * FROM coupons k WHERE k.customer_no = named.customer_no OFFSET 0) AS c
    CROSS JOIN LATERAL (
        SELECT CASE WHEN substr(c.id::text, 15, 1) = '7' THEN to_timestamp(
            ('x0000' || left(replace(c.id::text, '-', ''), 12))::bit(64)::bigint / 1000.0) + $6::interval END AS at
    ) AS drawn
), moved AS MATERIALIZED (
    SELECT s.*, last.at AS step_at, last.status AS step_status
    FROM seen s
    LEFT JOIN LATERAL (
        SELECT h.at, h.status FROM coupon_history h
        WHERE h.coupon_id = s.id AND h.step > s.steps_mended AND h.at >= $2 AND h.at < $3
          AND (s.is_issued_then OR s.mended_at IS NOT NULL OR h.at > $5)
        ORDER BY h.step DESC LIMIT 1
    ) AS last ON s.steps > s.steps_mended
), touched AS MATERIALIZED (
    SELECT m.*, CASE WHEN m.is_issued_then
                     THEN least($5, greatest(m.issued_at - $4::interval, m.drawn_at)) END AS issued_really
    FROM moved m
    WHERE m.is_issued_then OR m.step_at IS NOT NULL
       OR (m.status = 'expired' AND m.expires_at > $5 AND m.steps > m.steps_mended)
), recorded AS (
    INSERT INTO clock_mends (coupon_id, operation_id, steps, from_at, to_at, shift, expires_at_was)
    SELECT id, $7, steps, $2, $3, $4, expires_at FROM touched
    RETURNING coupon_id
), placed AS (
    SELECT t.id, t.status, t.step_at, t.step_status, t.issued_really,
           coalesce(t.issued_really + make_interval(hours => 24 * t.rule_validity_days), t.expires_at) AS expires_at,
           CASE WHEN t.status = 'reserved' AND t.step_status = 'reserved'
                THEN $5 + (t.reserved_until - t.step_at) END AS reserved_until
    FROM touched t
), mended AS (
    UPDATE coupons c
    SET mended_at = coalesce(p.issued_really, c.mended_at),
        expires_at = CASE WHEN p.issued_really IS NULL THEN c.expires_at ELSE p.expires_at END,
        reserved_until = coalesce(p.reserved_until, c.reserved_until),
        notice_at = CASE WHEN p.issued_really IS NULL THEN c.notice_at ELSE (
            SELECT min(p.expires_at - make_interval(hours => lead)) FROM unnest($8::integer[]) AS lead
            WHERE lead < 24 * c.rule_validity_days AND p.expires_at - make_interval(hours => lead) > $5) END
    FROM placed p JOIN recorded r ON r.coupon_id = p.id -- recorded first: a trigger asks for it
    WHERE c.id = p.id
)
SELECT count(*) FILTER (WHERE issued_really IS NOT NULL) AS coupons,
       count(*) FILTER (WHERE reserved_until IS NOT NULL) AS reservations,
       (SELECT count(*) FROM seen WHERE status = 'expired' AND expires_at > $5) AS ended_early
FROM placed;

-- name: give_back
-- Nothing of these customers waits for an instant from $2 to $3 any more that is ahead of $4, which is now.
UPDATE customers SET last_at = $4
WHERE customer_no = ANY($1::bigint[]) AND last_at >= $2 AND last_at < $3 AND last_at > $4;
