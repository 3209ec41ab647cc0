-- A coupon by its code, for shop staff: what tills ask for all day. One statement that sets the session's partner for
-- itself alone and then asks under row-level security; the setting ends with the statement's own transaction, so it must
-- not be called within another partner's. As statements of their own the same takes three round trips.
CREATE FUNCTION staff_coupon_of_code(partner bigint, wanted_code text, shop bigint, clock_offset interval)
RETURNS TABLE (
    is_own_shop boolean, id uuid, code text, code_prefix text, game_id bigint, status text, issued_at timestamptz,
    expires_at timestamptz, holds_single_place boolean, steps integer, notice_at timestamptz,
    reserved_until timestamptz, reserved_shop_id bigint, redeemed_at timestamptz, redeemed_order_id text,
    customer_id text, at timestamptz, name text, reward_description text, product_ids bigint[],
    coupons bigint, games bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('couponry.partner_id', partner::text, true);
    RETURN QUERY
    SELECT EXISTS (SELECT FROM shops s WHERE s.id = shop), found.id, found.code, found.code_prefix, found.game_id,
           found.status, found.issued_at, found.expires_at, found.holds_single_place, found.steps, found.notice_at,
           found.reserved_until, found.reserved_shop_id, found.redeemed_at, found.redeemed_order_id,
           found.customer_id, found.at, found.name, found.reward_description, found.product_ids,
           held.coupons, held.games
    FROM (VALUES (1)) AS one (row) LEFT JOIN (
        SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place,
               c.steps, c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id,
               cu.customer_id, greatest(cu.last_at, clock_timestamp() + clock_offset) AS at,
               g.name, g.reward_description, g.product_ids, c.customer_no
        FROM coupons c JOIN customers cu USING (customer_no) JOIN games g ON g.id = c.game_id
        WHERE c.code = wanted_code
    ) AS found ON true LEFT JOIN LATERAL (
        -- The owner's active coupons: how many, of how many games.
        SELECT count(*) AS coupons, count(DISTINCT h.game_id) AS games FROM coupons h
        WHERE h.customer_no = found.customer_no AND h.status IN ('active', 'reserved') AND (h.expires_at IS NULL OR h.expires_at > found.at)
    ) AS held ON true;
END $$;
