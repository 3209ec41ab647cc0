-- Whether the code that a coupon shows may still give way to one that its partner's own system is asked for.

-- True from an issue of which that system is, or will be, told, until it has given a code or its delivery is dead; true again
-- while what was dead, or never told, is sent after all.
ALTER TABLE coupons
    ADD COLUMN code_pending boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT a_code_that_is_to_come_is_not_there CHECK (NOT code_pending OR external_code IS NULL) NOT VALID;
GRANT UPDATE (code_pending) ON coupons TO couponry_worker, couponry_api;
COMMENT ON COLUMN coupons.code_pending IS 'The partner''s own system is to give a code, and has not yet.';

-- By whoever gives a code, an older release that runs on among them.
CREATE FUNCTION code_has_come() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.code_pending := false;
    RETURN NEW;
END $$;
CREATE TRIGGER a_code_that_has_come_is_final BEFORE UPDATE OF external_code ON coupons FOR EACH ROW
    WHEN (NEW.external_code IS NOT NULL AND NEW.code_pending) EXECUTE FUNCTION code_has_come();

-- As it was, and whether the code is to come.
DROP FUNCTION staff_coupon_of_code(bigint, text, text, bigint, interval);
CREATE FUNCTION staff_coupon_of_code(partner bigint, written text, wanted_code text, shop bigint, clock_offset interval)
RETURNS TABLE (
    is_own_shop boolean, id uuid, code text, code_prefix text, game_id bigint, status text, issued_at timestamptz,
    expires_at timestamptz, holds_single_place boolean, steps integer, notice_at timestamptz,
    reserved_until timestamptz, reserved_shop_id bigint, redeemed_at timestamptz, redeemed_order_id text,
    source_kind text, source_id text, terms jsonb, used_count integer, external_code text, program_version integer,
    code_pending boolean, customer_id text, at timestamptz, name text, reward_description text, product_ids bigint[],
    coupons bigint, games bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('couponry.partner_id', partner::text, true);
    RETURN QUERY
    SELECT EXISTS (SELECT FROM shops s WHERE s.id = shop), found.id, found.code, found.code_prefix, found.game_id,
           found.status, found.issued_at, found.expires_at, found.holds_single_place, found.steps, found.notice_at,
           found.reserved_until, found.reserved_shop_id, found.redeemed_at, found.redeemed_order_id,
           found.source_kind, found.source_id, found.terms, found.used_count, found.external_code, found.program_version,
           found.code_pending, found.customer_id, found.at, found.name, found.reward_description, found.product_ids,
           held.coupons, held.games
    FROM (VALUES (1)) AS one (row) LEFT JOIN (
        SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place,
               c.steps, c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id,
               c.source_kind, c.source_id, c.terms, c.used_count, c.external_code, c.program_version,
               c.code_pending, cu.customer_id, greatest(cu.last_at, clock_timestamp() + clock_offset) AS at,
               g.name, g.reward_description, g.product_ids, c.customer_no
        FROM coupons c JOIN customers cu USING (customer_no) LEFT JOIN games g ON g.id = c.game_id
        WHERE c.id = coalesce(
            (SELECT k.id FROM coupons k WHERE k.partner_id = partner AND k.external_code = written),
            (SELECT k.id FROM coupons k WHERE k.code = wanted_code))
    ) AS found ON true LEFT JOIN LATERAL (
        -- The owner's active coupons: how many, of how many games.
        SELECT count(*) AS coupons, count(DISTINCT h.game_id) AS games FROM coupons h
        WHERE h.customer_no = found.customer_no AND h.status IN ('active', 'reserved') AND (h.expires_at IS NULL OR h.expires_at > found.at)
    ) AS held ON true;
END $$;
