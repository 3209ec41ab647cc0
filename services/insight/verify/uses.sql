-- Uses of coupons that no game issued: along their history, by orders, and what each took off.

-- name: some_granted
-- Whether there is any coupon that no game issued.
SELECT EXISTS (SELECT FROM coupons WHERE game_id IS NULL);

-- name: misused
-- Coupons of a page whose uses do not add up: the first step that cannot be, or what all of them come to; and uses of orders
-- that the order does not keep, or that its decision says nothing of. A use leaves some, or the coupon is redeemed by it.
WITH page AS MATERIALIZED (
    SELECT id, customer_no, used_count, steps, (terms ->> 'usage_limit')::integer AS most
    FROM coupons WHERE id > $1 AND id <= $2 AND game_id IS NULL
), walk AS MATERIALIZED (
    SELECT p.id, p.customer_no, p.most, h.step, h.word, h.order_id, h.event_key,
           sum(CASE WHEN h.word IN ('used', 'redeemed') THEN 1 WHEN h.word = 'reinstated' THEN -1 ELSE 0 END)
               OVER (PARTITION BY p.id ORDER BY h.step) AS uses
    FROM page p CROSS JOIN LATERAL (SELECT * FROM coupon_history h WHERE h.coupon_id = p.id ORDER BY h.step) AS h
    WHERE p.steps > 0
), astray AS (
    SELECT DISTINCT ON (id) id, CASE
        WHEN uses > most THEN 'is used ' || uses || ' times by step ' || step || ', and its terms allow ' || most
        WHEN uses < 0 THEN 'comes back in step ' || step || ' from a use that it never had'
        WHEN word = 'used' THEN 'is used in step ' || step || ' and not redeemed, though that leaves no use'
        ELSE 'is redeemed in step ' || step || ', though that leaves ' || most - uses || ' uses' END AS fault
    FROM walk
    WHERE uses > most OR uses < 0 OR word = 'used' AND uses = most OR word = 'redeemed' AND uses < most
    ORDER BY id, step
), miscounted AS (
    SELECT p.id, 'counts ' || p.used_count || ' uses, and its history ' || of_steps.uses AS fault
    FROM page p
    CROSS JOIN LATERAL (
        SELECT coalesce((SELECT w.uses FROM walk w WHERE w.id = p.id ORDER BY w.step DESC LIMIT 1), 0) AS uses
    ) AS of_steps
    WHERE p.used_count <> of_steps.uses AND NOT EXISTS (SELECT FROM astray a WHERE a.id = p.id)
), of_orders AS (
    SELECT w.id, CASE
        WHEN NOT EXISTS (
            SELECT FROM coupon_uses u
            WHERE u.customer_no = w.customer_no AND u.order_id = w.order_id AND u.coupon_id = w.id AND u.step = w.step)
        THEN 'is used by order ' || w.order_id || ' in step ' || w.step || ', and no such use of it is kept'
        WHEN (SELECT count(*) FROM decisions d CROSS JOIN LATERAL jsonb_array_elements(d.program -> 'discounts') AS listed (taken)
              WHERE d.event_key = w.event_key AND taken ->> 'coupon_id' = w.id::text) <> 1
        THEN 'is used by order ' || w.order_id || ' in step ' || w.step || ', and its decision does not say once what it took off'
        END AS fault
    FROM walk w WHERE w.word IN ('used', 'redeemed') AND w.order_id IS NOT NULL
)
SELECT id, fault, 0::bigint AS coupons
FROM (SELECT * FROM astray UNION ALL SELECT * FROM miscounted UNION ALL SELECT * FROM of_orders) AS found
WHERE fault IS NOT NULL
UNION ALL
SELECT NULL, NULL, (SELECT count(*) FROM page);

-- name: uses_astray
-- Uses that orders of a page of customers keep and no step tells of; and orders that have given back more or fewer of them
-- than came back from the order.
WITH page AS MATERIALIZED (
    SELECT u.customer_no, u.order_id, u.coupon_id, u.step, u.given_back FROM coupon_uses u
    WHERE u.customer_no > $1 AND u.customer_no <= $2
), backs AS (
    SELECT p.coupon_id, p.order_id, count(*) FILTER (WHERE p.given_back) AS given_back, count(*) AS uses, (
               SELECT count(*) FROM coupon_history h
               WHERE h.coupon_id = p.coupon_id AND h.word = 'reinstated' AND h.order_id = p.order_id) AS came_back
    FROM page p GROUP BY p.customer_no, p.order_id, p.coupon_id
)
SELECT p.coupon_id, p.order_id, 'keeps a use of it by step ' || p.step || ', which was none' AS fault, 0::bigint AS uses
FROM page p
WHERE NOT EXISTS (
    SELECT FROM coupon_history h
    WHERE h.coupon_id = p.coupon_id AND h.step = p.step AND h.word IN ('used', 'redeemed') AND h.order_id = p.order_id)
UNION ALL
SELECT coupon_id, order_id, 'has given back ' || given_back || ' of ' || uses || ' uses of it, and it came back ' || came_back
       || ' times', 0
FROM backs WHERE given_back <> came_back
UNION ALL
SELECT NULL, NULL, NULL, (SELECT count(*) FROM page);

-- name: discounts
-- What these decisions ($1) say was taken off, in their order, each with the coupon's terms and how often the decision used it.
SELECT d.event_key, d.order_id, d.partner_id, d.topic, d.partition, d."offset", taken ->> 'code' AS code,
       taken ->> 'coupon_id' AS coupon_id, taken ->> 'class' AS class, taken ->> 'amount' AS amount,
       CASE WHEN c.customer_no = d.customer_no THEN c.terms END AS terms, (
           SELECT count(*) FROM coupon_history h
           WHERE h.coupon_id = c.id AND h.event_key = d.event_key AND h.word IN ('used', 'redeemed')) AS uses
FROM unnest($1::uuid[]) WITH ORDINALITY AS named (event_key, number)
CROSS JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = named.event_key LIMIT 1) AS d
CROSS JOIN LATERAL jsonb_array_elements(d.program -> 'discounts') WITH ORDINALITY AS listed (taken, place)
LEFT JOIN LATERAL (SELECT * FROM coupons c WHERE c.id = (taken ->> 'coupon_id')::uuid LIMIT 1) AS c ON true
ORDER BY named.number, listed.place;
