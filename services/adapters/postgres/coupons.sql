-- Coupons of customers whose rows are locked, and their steps. A LATERAL sub-query with a LIMIT or OFFSET cannot be turned
-- into a join, so each look-up uses its index. Every change names the state it was decided upon, and returns the rows it
-- changed: fewer than asked for is a lost race.

-- name: single_coupons
-- The open coupon, if any, of each (customer, game) pair under the single rule.
SELECT held.customer_no, held.id, held.code, held.code_prefix, held.game_id, held.status, held.issued_at,
       held.expires_at, held.holds_single_place, held.steps, held.notice_at, held.reserved_until,
       held.reserved_shop_id, held.redeemed_at, held.redeemed_order_id
FROM unnest($1::bigint[], $2::bigint[]) AS named (customer_no, game_id)
CROSS JOIN LATERAL (
    SELECT * FROM coupons c
    WHERE c.customer_no = named.customer_no AND c.game_id = named.game_id
      AND c.holds_single_place AND c.status IN ('active', 'reserved')
    LIMIT 1
) AS held;

-- name: coupons_of_codes
-- The coupons that codes name, whoever owns them: ours, and those that partners bring, as they are written.
SELECT partner_id, customer_no, id, code, code_prefix, game_id, status, issued_at, expires_at, holds_single_place,
       steps, notice_at, reserved_until, reserved_shop_id, redeemed_at, redeemed_order_id, source_kind, source_id, terms,
       used_count, external_code, code_pending, program_version
FROM coupons WHERE code = ANY($1::text[])
UNION ALL
SELECT found.partner_id, found.customer_no, found.id, found.code, found.code_prefix, found.game_id, found.status,
       found.issued_at, found.expires_at, found.holds_single_place, found.steps, found.notice_at, found.reserved_until,
       found.reserved_shop_id, found.redeemed_at, found.redeemed_order_id, found.source_kind, found.source_id,
       found.terms, found.used_count, found.external_code, found.code_pending, found.program_version
FROM unnest($2::bigint[], $3::text[]) AS named (partner_id, written)
CROSS JOIN LATERAL (
    SELECT * FROM coupons c WHERE c.partner_id = named.partner_id AND c.external_code = named.written
    OFFSET 0
) AS found;

-- name: coupons_of_orders
-- The coupons of games that each (customer, order) pair has redeemed; uses of others are in `coupon_uses`.
SELECT used.customer_no, used.id, used.code, used.code_prefix, used.game_id, used.status, used.issued_at,
       used.expires_at, used.holds_single_place, used.steps, used.notice_at, used.reserved_until,
       used.reserved_shop_id, used.redeemed_at, used.redeemed_order_id
FROM unnest($1::bigint[], $2::text[]) AS named (customer_no, order_id)
CROSS JOIN LATERAL (
    SELECT * FROM coupons c
    WHERE c.customer_no = named.customer_no AND c.redeemed_order_id = named.order_id AND c.terms IS NULL
    OFFSET 0
) AS used;

-- name: past_issues
-- Instants of the newest issues, as many as asked for, of each (customer, game) pair; what was cancelled counts no more.
-- By the expression of `coupons_by_customer_and_game`: a history of a million is not read.
SELECT named.customer_no, named.game_id, past.issued_at
FROM unnest($1::bigint[], $2::bigint[], $3::integer[]) AS named (customer_no, game_id, wanted)
CROSS JOIN LATERAL (
    SELECT c.issued_at FROM coupons c
    WHERE c.customer_no = named.customer_no AND c.game_id = named.game_id
      AND (CASE WHEN c.status <> 'cancelled' THEN c.issued_at END) IS NOT NULL
    ORDER BY (CASE WHEN c.status <> 'cancelled' THEN c.issued_at END) DESC LIMIT named.wanted
) AS past;

-- name: change_coupons
-- Bring coupons into the state after their last step, if their history is still as long as it was when they were read.
UPDATE coupons c
SET status = n.status, steps = n.steps, reserved_until = n.reserved_until, reserved_shop_id = n.reserved_shop_id,
    redeemed_at = n.redeemed_at, redeemed_order_id = n.redeemed_order_id, holds_single_place = n.holds_single_place,
    notice_at = n.notice_at, used_count = n.used_count
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::integer[], $5::timestamptz[], $6::bigint[], $7::timestamptz[],
            $8::text[], $9::boolean[], $10::timestamptz[], $11::integer[])
    AS n (id, steps_seen, status, steps, reserved_until, reserved_shop_id, redeemed_at, redeemed_order_id,
          holds_single_place, notice_at, used_count)
WHERE c.id = n.id AND c.steps = n.steps_seen
RETURNING c.id;

-- name: coupons
-- These coupons as they are now, with whose they are.
SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place, c.steps,
       c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id,
       c.partner_id, c.customer_no, cu.customer_id, c.mended_at, c.source_kind, c.source_id, c.terms, c.used_count,
       c.external_code, c.code_pending, c.program_version
FROM coupons c JOIN customers cu USING (customer_no)
WHERE c.id = ANY($1::uuid[]) ORDER BY c.id;

-- name: bought
-- Coupons of these customers, with what the points that each was redeemed for were taken from. By `ledger_by_spending`.
SELECT c.customer_no, c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place,
       c.steps, c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id, c.source_kind,
       c.source_id, c.terms, c.used_count, c.external_code, c.code_pending, c.code_from, c.program_version, paid.takes
FROM unnest($1::bigint[], $2::uuid[]) AS named (customer_no, id)
CROSS JOIN LATERAL (
    SELECT * FROM coupons k WHERE k.id = named.id AND k.customer_no = named.customer_no OFFSET 0
) AS c
LEFT JOIN LATERAL (
    SELECT l.takes FROM ledger l WHERE l.event_key = c.event_key AND l.kind = 'spent' OFFSET 0
) AS paid ON c.source_kind = 'redemption';

-- name: due
-- Customers nobody else is working on, of the coupons due first from $4 on but for $3: several sweepers do not step on each
-- other. With the instant at which the first of them all was due, also if somebody else is at it.
SELECT due.id, cu.partner_id, cu.customer_id, due.first_at
FROM (
    SELECT id, customer_no, min(due_at) OVER () AS first_at
    FROM (
        SELECT c.id, c.customer_no, least(c.notice_at, c.reserved_until, c.expires_at) AS due_at FROM coupons c
        WHERE c.status IN ('active', 'reserved') AND (c.expires_at IS NOT NULL OR c.reserved_until IS NOT NULL)
          AND least(c.notice_at, c.reserved_until, c.expires_at) <= $1::timestamptz
          AND least(c.notice_at, c.reserved_until, c.expires_at) >= $4::timestamptz AND c.id <> ALL ($3::uuid[])
        ORDER BY least(c.notice_at, c.reserved_until, c.expires_at) LIMIT $2
    ) AS first_ones
) AS due
JOIN customers cu USING (customer_no)
ORDER BY cu.partner_id, cu.customer_id
FOR UPDATE OF cu SKIP LOCKED;

-- name: lapsed_of_games
-- Up to $3 open coupons of these games that are over at the instant, or were at the newest one decided for their customer,
-- among the few that end first. In the order of `coupons_by_game`, so that no plan reads another index through.
SELECT c.id, cu.partner_id, cu.customer_id
FROM unnest($1::bigint[]) AS game (id) CROSS JOIN unnest('{active,reserved}'::text[]) AS open (status)
CROSS JOIN LATERAL (
    SELECT k.id, k.customer_no, k.expires_at FROM coupons k
    WHERE k.game_id = game.id AND k.status = open.status AND k.expires_at IS NOT NULL
    ORDER BY k.expires_at LIMIT 10 * $3::integer
) AS c
JOIN LATERAL (SELECT * FROM customers k WHERE k.customer_no = c.customer_no OFFSET 0) AS cu ON true
WHERE c.expires_at <= greatest($2::timestamptz, cu.last_at)
LIMIT $3;

-- name: taken
-- Coupons that have one of these ids or codes.
SELECT id, code FROM coupons WHERE id = ANY($1::uuid[])
UNION
SELECT id, code FROM coupons WHERE code = ANY($2::text[]);
