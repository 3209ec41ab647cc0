-- What partners' own systems were told of coupons, and the codes that they gave.

-- name: some_codes
-- Whether any coupon shows a code that its partner brought.
SELECT EXISTS (SELECT FROM coupons WHERE external_code IS NOT NULL);

-- name: codes_astray
-- Coupons that show what a partner's system has given, which was told of none of them; and those that show a code which they
-- say is to come.
SELECT c.id, CASE WHEN c.code_pending THEN 'shows a code that its partner brought, and says that it is to come'
                  ELSE 'shows a code of a partner''s system, which was not told of it' END AS fault
FROM coupons c
WHERE c.external_code IS NOT NULL AND (c.code_pending OR c.code_from = 'webhook'
  AND NOT EXISTS (SELECT FROM deliveries d WHERE d.coupon_id = c.id AND d.kind = 'issued'));

-- name: deliveries_astray
-- Deliveries of a page of coupons that are at odds with their coupon, or with their attempts. A code may also have been told
-- by the partner itself while an attempt was under way, of which nothing need be kept then. A delivery was queued again if it
-- has had more attempts than it counts since.
WITH page AS MATERIALIZED (
    SELECT * FROM deliveries WHERE coupon_id > $1 AND coupon_id <= $2
), judged AS (
    SELECT p.coupon_id, p.kind, array_remove(ARRAY[
        CASE WHEN c.id IS NULL THEN 'is of a coupon that is not there'
             WHEN (c.partner_id, c.customer_no) <> (p.partner_id, p.customer_no) THEN 'is of another customer than its coupon'
             WHEN c.game_id IS NOT NULL OR c.terms ->> 'type' = 'custom' THEN 'is of a coupon that no partner is told of'
             WHEN c.code_from = 'pool' THEN 'is of a coupon that has a code of a pool'
             WHEN p.kind = 'issued' AND p.status IN ('delivered', 'dead') AND c.code_pending
             THEN 'is over, and its coupon says that the code is to come'
             WHEN p.kind = 'issued' AND p.status IN ('pending', 'held') AND c.external_code IS NULL AND NOT c.code_pending
             THEN 'is not over, and its coupon says that the code is final' END,
        CASE WHEN p.kind = 'issued' AND p.delivered_at IS NOT NULL
                  AND (c.code_from IS DISTINCT FROM 'webhook' OR c.external_code IS NULL)
             THEN 'is delivered, and its coupon shows no code that came of it'
             WHEN p.kind = 'issued' AND p.delivered_at IS NULL AND c.code_from = 'webhook' AND c.external_code IS NOT NULL
             THEN 'is not delivered, and its coupon shows a code that came of it'
             WHEN p.kind = 'cancelled' AND c.status <> 'cancelled' THEN 'tells of a cancellation that never was'
             WHEN p.kind = 'cancelled' AND (
                  SELECT d.was_sent FROM deliveries d WHERE d.coupon_id = p.coupon_id AND d.kind = 'issued') IS NOT TRUE
             THEN 'tells of the cancellation of a coupon that it was not told of' END,
        CASE WHEN a.attempts <> a.last
             THEN 'has ' || a.attempts || ' attempts, of which the last is number ' || a.last
             WHEN a.attempts <> p.attempts AND NOT (a.attempts = p.attempts - 1
                  AND (p.begun_at IS NOT NULL OR p.delivered_at IS NOT NULL AND a.done IS NULL))
             THEN 'counts ' || p.attempts || ' attempts, and ' || a.attempts || ' are kept'
             WHEN a.done < a.last AND p.tries = p.attempts
             THEN 'was attempted again after attempt ' || a.done || ', which delivered it' END
    ], NULL) AS faults
    FROM page p
    LEFT JOIN LATERAL (SELECT * FROM coupons c WHERE c.id = p.coupon_id LIMIT 1) AS c ON true
    CROSS JOIN LATERAL (
        SELECT count(*) AS attempts, coalesce(max(a.number), 0) AS last,
               min(a.number) FILTER (WHERE a.error IS NULL AND a.status IN (200, 201)) AS done
        FROM delivery_attempts a WHERE a.coupon_id = p.coupon_id AND a.kind = p.kind
    ) AS a
)
SELECT coupon_id, kind, faults, 0::bigint AS deliveries FROM judged WHERE faults <> '{}'
UNION ALL
SELECT NULL, NULL, NULL, (SELECT count(*) FROM page);

-- name: overtaken
-- Coupons of a page of customers that a partner's system took before one that the customer was issued earlier. Of one type,
-- since each may be switched off for a while; those that were queued again, or late, are in nobody's way, nor are the dead;
-- and a code that the partner told by itself has come when it pleased. What was delivered before it was issued was so by a
-- clock that had gone back, and says nothing.
WITH line AS (
    SELECT d.*, d.attempts > d.tries AS is_again, coalesce(d.number > min(d.number) OVER (
               PARTITION BY d.customer_no, d.type ORDER BY d.at, d.number ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
           ), false) AS is_late
    FROM deliveries d WHERE d.customer_no > $1 AND d.customer_no <= $2 AND d.kind = 'issued'
), ends AS (
    SELECT l.coupon_id, l.at, l.delivered_at, l.is_again, l.is_late,
           max(CASE WHEN NOT (l.is_again OR l.is_late OR l.status = 'dead' AND l.delivered_at IS NULL)
               THEN coalesce(l.delivered_at, 'infinity') END) OVER (
               PARTITION BY l.customer_no, l.type ORDER BY l.at, l.number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ) AS busy_until
    FROM line l
)
SELECT e.coupon_id FROM ends e
WHERE e.delivered_at < e.busy_until AND e.delivered_at >= e.at AND NOT e.is_again AND NOT e.is_late
  AND EXISTS (
      SELECT FROM delivery_attempts a
      WHERE a.coupon_id = e.coupon_id AND a.kind = 'issued' AND a.error IS NULL AND a.status IN (200, 201));
