-- Games as the rules know them.

-- name: games
-- The named games with everything the rules need.
SELECT g.id, g.partner_id, g.version, g.is_active, g.allow_multiple_active_coupons, g.coupon_validity_days,
       g.start_date, g.end_date, g.reward_description, g.product_ids, g.game_type, g.code_prefix, g.stamps_required,
       g.customer_limit, g.customer_limit_per_day, g.customer_limit_per_week, g.customer_limit_per_month,
       g.total_limit, p.time_zone
FROM games g JOIN partners p ON p.id = g.partner_id
WHERE g.id = ANY($1::bigint[]);

-- name: stamp_games
-- The stamp games of these partners, by version, so that cached ones need not be read again.
SELECT id, version FROM games WHERE partner_id = ANY($1::bigint[]) AND game_type = 'stamps';

-- name: products_of_skus
-- The products that partners ($1) mean by SKUs ($2).
SELECT p.partner_id, p.sku, p.id
FROM unnest($1::bigint[], $2::text[]) AS named (partner_id, sku)
JOIN products p ON p.partner_id = named.partner_id AND p.sku = named.sku;

-- name: confirm_versions
-- The versions in force now, of games ($1) and the revisions of partners' programs ($2), held until the commit: the last
-- statement of a batch. Sharing the rows any earlier starves whoever wants to change them.
WITH shared_games AS MATERIALIZED (
    SELECT id, version FROM games WHERE id = ANY($1::bigint[]) ORDER BY id FOR SHARE
), shared_programs AS MATERIALIZED (
    SELECT partner_id, revision FROM programs WHERE partner_id = ANY($2::bigint[]) ORDER BY partner_id FOR SHARE
)
SELECT false AS is_program, id, version::bigint AS version FROM shared_games
UNION ALL
SELECT true, partner_id, revision FROM shared_programs;
