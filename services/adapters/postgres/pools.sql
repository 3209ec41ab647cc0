-- Pools of codes: what comes into them, what is left of them and of the caps of their groups, and their end.

-- name: add_alone
-- Until the commit nobody else adds codes of this partner: whose came first, and which of two has a code, is settled.
SELECT pg_advisory_xact_lock(hashtextextended('couponry.codes', $1));

-- name: own_codes_taken
-- Those of these codes of ours that somebody has, with what stands before each.
SELECT code, code_prefix FROM own_codes_taken($1::text[]);

-- name: add_codes
-- Codes, in their order; not those that the partner has already: in a pool, issued from one, or shown by a coupon.
INSERT INTO pool_codes (partner_id, handle, code)
SELECT $1, $2, given.code FROM unnest($3::text[]) WITH ORDINALITY AS given (code, place)
WHERE NOT EXISTS (SELECT FROM coupons c WHERE c.partner_id = $1 AND c.external_code = given.code)
ORDER BY given.place
ON CONFLICT (partner_id, code) DO NOTHING
RETURNING code;

-- name: shown_already
-- Those of these codes that a coupon of the partner shows.
SELECT external_code AS code FROM coupons WHERE partner_id = $1 AND external_code = ANY($2::text[]);

-- name: open_pool
-- From the commit on the group issues codes that it was given. Its row is held until then: who issues sees all or nothing.
INSERT INTO group_counts (partner_id, handle, has_pool) VALUES ($1, $2, true)
ON CONFLICT (partner_id, handle) DO UPDATE SET has_pool = true;

-- name: close_pools
-- These groups have no pool any more. Their rows are made and held, in the order of everybody, so that who is just adding
-- codes is waited for, or waits.
INSERT INTO group_counts (partner_id, handle)
SELECT $1, handle FROM unnest($2::text[]) AS gone (handle) ORDER BY handle COLLATE "C"
ON CONFLICT (partner_id, handle) DO UPDATE SET has_pool = false;

-- name: free_codes
-- Codes of these groups that nobody was given may be given to other groups.
DELETE FROM pool_codes WHERE partner_id = $1 AND handle = ANY($2::text[]) AND coupon_id IS NULL;

-- name: left_of_groups
-- What can still be issued of groups: the least of what a cap leaves and the codes of a pool, which are counted up to $4, with $5
-- that are to come; null where there is neither.
SELECT named.handle, least(cap.room, CASE WHEN g.has_pool OR $5 > 0 THEN pool.codes + $5::bigint END) AS remaining
FROM unnest($2::text[], $3::bigint[]) AS named (handle, max_total)
LEFT JOIN group_counts g ON g.partner_id = $1 AND g.handle = named.handle
CROSS JOIN LATERAL (SELECT CASE WHEN g.issued > named.max_total THEN 0 ELSE named.max_total - coalesce(g.issued, 0) END AS room) AS cap
CROSS JOIN LATERAL (
    SELECT count(*) AS codes FROM (
        SELECT FROM pool_codes p
        WHERE g.has_pool AND p.partner_id = $1 AND p.handle = named.handle AND p.coupon_id IS NULL
        LIMIT least(cap.room, $4::bigint)
    ) AS counted
) AS pool;

-- name: hold_run
-- For as long as the session lives, nobody else makes codes of this run: nor does what a process has left that was killed.
SELECT pg_advisory_lock(hashtextextended($1::uuid::text, 0));

-- name: size_of_run
-- How many codes a run has made, issued ones among them.
SELECT count(*) FROM pool_codes WHERE run = $1;

-- name: run_of_code
-- Which run has made a code, if any has, for which group, with what before it.
SELECT run, handle, own_prefix FROM pool_codes WHERE partner_id = $1 AND code = $2 AND run IS NOT NULL;

-- name: page_of_run
-- The codes of a run after one of them, in their order.
SELECT number, code FROM pool_codes WHERE run = $1 AND number > $2 ORDER BY number LIMIT $3;
