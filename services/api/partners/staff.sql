-- Coupons as shop staff ask for them. Row-level security leaves only the partner's own; the instant that counts for a
-- coupon is now, and never before anything that was decided for its owner.

-- name: coupon
-- A coupon by id, with its owner and its game, if it is of one; and, also without any such coupon, whether the shop is the
-- partner's own.
SELECT EXISTS (SELECT FROM shops s WHERE s.id = $2) AS is_own_shop, found.*
FROM (VALUES (1)) AS one (row) LEFT JOIN (
    SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place, c.steps,
           c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id, c.source_kind, c.source_id,
           c.terms, c.used_count, c.external_code, c.code_pending, c.program_version, cu.customer_id,
           greatest(cu.last_at, clock_timestamp() + $3::interval) AS at,
           g.name, g.reward_description, g.product_ids
    FROM coupons c JOIN customers cu USING (customer_no) LEFT JOIN games g ON g.id = c.game_id
    WHERE c.id = $1
) AS found ON true;

-- name: coupon_of_code
-- The same by code, as written or as read, with how many active coupons its owner has, and of how many games. Outside any
-- transaction.
SELECT * FROM staff_coupon_of_code($1, $2, $3, $4, $5);

-- name: history
-- Everything recorded of a coupon, its issue first. By hand somebody issued it, who is in the audit trail.
SELECT 0 AS step, 'issued' AS word, 'active' AS status, c.issued_at AS at, coalesce(a.actor, 'issuer') AS actor,
       a.after ->> 'reason' AS reason, NULL::bigint AS shop_id, NULL::text AS order_id
FROM coupons c LEFT JOIN audit_log a
    ON a.partner_id = c.partner_id AND a.action = 'coupon.issued' AND a.subject_id = c.id::text
WHERE c.id = $1
UNION ALL
SELECT step, word, status, at, actor, reason, shop_id, order_id FROM coupon_history WHERE coupon_id = $1
ORDER BY step;

-- name: walk
-- A partner's coupons of one status as recorded, newest first, up to $9 of those that the filters leave: along the index
-- `coupons_by_partner`, so that it costs what it walks over. The status is the one in effect now; a coupon reserved or
-- redeemed at another shop is left out; days are the partner's. Each filter but the shop is skipped when null.
SELECT c.id FROM {coupons} AS c
CROSS JOIN LATERAL (
    SELECT CASE WHEN c.status IN ('active', 'reserved') AND c.expires_at <= $2::timestamptz THEN 'expired'
                WHEN c.status = 'reserved' AND c.reserved_until <= $2 THEN 'active'
                ELSE c.status END AS status
) AS current
WHERE c.partner_id = $1::bigint AND c.status = '{status}' AND ($4::text IS NULL OR current.status = $4)
  AND CASE current.status
      WHEN 'reserved' THEN c.reserved_shop_id = $3::bigint
      WHEN 'redeemed' THEN coalesce((
          SELECT h.shop_id FROM coupon_history h WHERE h.coupon_id = c.id AND h.step = c.steps), $3) = $3
      ELSE true END
  AND ($5::bigint IS NULL OR c.game_id = $5)
  AND ($6::date IS NULL OR c.issued_at >= $6::timestamp AT TIME ZONE $8::text)
  AND ($7::date IS NULL OR c.issued_at < ($7::date + 1)::timestamp AT TIME ZONE $8::text)
ORDER BY c.id DESC LIMIT $9

-- name: gathered
-- In place of all coupons, for a status of which a game has not very many: these, whatever else its partner has. In the
-- order of `coupons_by_game`, so that no plan comes by them in another way.
(SELECT * FROM coupons k WHERE k.game_id = $5 AND k.status = '{status}' ORDER BY k.expires_at OFFSET 0)

-- name: coupons_of_statuses
-- How many coupons of a game have each of these statuses as recorded, looked for up to $3 of each, in the same order.
SELECT wanted.status, (SELECT count(*) FROM (
    SELECT FROM coupons c WHERE c.game_id = $1 AND c.status = wanted.status ORDER BY c.expires_at LIMIT $3) AS found) AS coupons
FROM unnest($2::text[]) AS wanted (status);

-- name: walk_lapsed
-- The same of those that are over and not yet recorded as such, which are few beside those that are active: game by game,
-- in the order of `coupons_by_game`. A join would rather walk along all coupons by id than sort these few.
SELECT c.id FROM games g CROSS JOIN unnest('{active,reserved}'::text[]) AS open (status)
CROSS JOIN LATERAL (
    SELECT k.id FROM coupons k
    WHERE k.game_id = g.id AND k.status = open.status AND k.expires_at <= $2::timestamptz
      AND ($6::date IS NULL OR k.issued_at >= $6::timestamp AT TIME ZONE $8::text)
      AND ($7::date IS NULL OR k.issued_at < ($7::date + 1)::timestamp AT TIME ZONE $8::text)
    ORDER BY k.expires_at OFFSET 0
) AS c
WHERE g.partner_id = $1::bigint AND $3::bigint IS NOT NULL AND $4::text = 'expired' AND ($5::bigint IS NULL OR g.id = $5)
ORDER BY c.id DESC LIMIT $9

-- name: walk_lapsed_of_no_game
-- The same of those that no game issued: everybody's stand together in that order.
SELECT c.id FROM unnest('{active,reserved}'::text[]) AS open (status)
CROSS JOIN LATERAL (
    SELECT k.id FROM coupons k
    WHERE k.game_id IS NULL AND k.status = open.status AND k.expires_at <= $2::timestamptz AND k.partner_id = $1::bigint
      AND ($6::date IS NULL OR k.issued_at >= $6::timestamp AT TIME ZONE $8::text)
      AND ($7::date IS NULL OR k.issued_at < ($7::date + 1)::timestamp AT TIME ZONE $8::text)
    ORDER BY k.game_id, k.expires_at OFFSET 0
) AS c
WHERE $3::bigint IS NOT NULL AND $4::text = 'expired' AND $5::bigint IS NULL
ORDER BY c.id DESC LIMIT $9

-- name: page_of_walks
-- What is left of the walks behind the first $10 of all.
SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place, c.steps,
       c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id, c.source_kind, c.source_id,
       c.terms, c.used_count, c.external_code, c.code_pending, c.program_version, cu.customer_id,
       greatest(cu.last_at, $2::timestamptz) AS at
FROM (SELECT id FROM ({walks}) AS walked ORDER BY id DESC OFFSET $10 LIMIT $9 - $10) AS chosen
JOIN coupons c USING (id) JOIN customers cu USING (customer_no)
ORDER BY c.id DESC;

-- name: count_walks
-- How many coupons the walks leave, counted up to $9.
SELECT count(*) FROM (SELECT FROM ({walks}) AS walked LIMIT $9) AS counted;

-- name: page_of_customer
-- How many coupons of a customer the filters leave and a page of them, newest first; a page beyond the end is one row
-- without an id. The status is the one in effect; a coupon reserved or redeemed at another shop is left out; days are the
-- partner's. Each filter but shop and customer is skipped when null.
WITH wanted AS MATERIALIZED (
    SELECT c.id
    FROM customers cu JOIN coupons c USING (customer_no)
    CROSS JOIN LATERAL (SELECT greatest(cu.last_at, $2::timestamptz) AS at) AS i
    CROSS JOIN LATERAL (
        SELECT CASE WHEN c.status IN ('active', 'reserved') AND c.expires_at <= i.at THEN 'expired'
                    WHEN c.status = 'reserved' AND c.reserved_until <= i.at THEN 'active'
                    ELSE c.status END AS status
    ) AS current
    WHERE cu.partner_id = $1 AND c.partner_id = $1 AND cu.customer_id = $5::text
      AND CASE current.status
          WHEN 'reserved' THEN c.reserved_shop_id = $3
          WHEN 'redeemed' THEN coalesce((
              SELECT h.shop_id FROM coupon_history h WHERE h.coupon_id = c.id AND h.step = c.steps), $3) = $3
          ELSE true END
      AND ($4::text IS NULL OR current.status = $4)
      AND ($6::bigint IS NULL OR c.game_id = $6)
      AND ($7::date IS NULL OR c.issued_at >= $7::timestamp AT TIME ZONE $9::text)
      AND ($8::date IS NULL OR c.issued_at < ($8::date + 1)::timestamp AT TIME ZONE $9::text)
)
SELECT counted.total, page.*
FROM (SELECT count(*) AS total FROM wanted) AS counted LEFT JOIN (
    SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place, c.steps,
           c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id, c.source_kind, c.source_id,
           c.terms, c.used_count, c.external_code, c.code_pending, c.program_version, cu.customer_id,
           greatest(cu.last_at, $2::timestamptz) AS at
    FROM (SELECT id FROM wanted ORDER BY id DESC OFFSET $10 LIMIT $11) AS chosen
    JOIN coupons c USING (id) JOIN customers cu USING (customer_no)
) AS page ON true
ORDER BY page.id DESC;

-- name: standing_for_the_list
-- What a list needs first: now, the partner's zone, and whether the shop is its own.
SELECT clock_timestamp() + $1::interval AS at, p.time_zone, EXISTS (SELECT FROM shops WHERE id = $2) AS is_own_shop
FROM partners p;

-- name: walk_along_the_index
-- Until the end of this transaction. Nobody can guess how many coupons are left of a status as in effect; a plan that takes
-- them for few gathers all of a partner's and sorts them.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_sort', 'off', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true);
