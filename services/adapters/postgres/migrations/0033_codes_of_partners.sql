-- Codes that partners bring: pools that groups of coupons issue from, and what a partner's own system answers.

-- What a customer is shown in place of our code, and tills read before it, exactly as it is written. `code_from`: 'pool', of
-- a code that its group had, ours among them; 'webhook', of one that the partner's system gave once the coupon was there.
ALTER TABLE coupons
    ADD COLUMN external_code text COLLATE "C",
    ADD COLUMN code_from text,
    ADD CONSTRAINT code_comes_from_somewhere_known CHECK (code_from IN ('pool', 'webhook')) NOT VALID,
    ADD CONSTRAINT an_external_code_says_where_it_is_from CHECK (external_code IS NULL OR code_from IS NOT NULL) NOT VALID,
    ADD CONSTRAINT external_code_has_characters CHECK (length(external_code) BETWEEN 1 AND 255) NOT VALID;
GRANT UPDATE (external_code, code_from) ON coupons TO couponry_worker, couponry_api;

-- What was issued of a group and not cancelled since. Who may issue of a group with an end to it holds its row until the
-- commit, so that caps and pools are exact. `has_pool`: codes were given to it, and no others are issued.
CREATE TABLE group_counts (
    partner_id bigint NOT NULL,
    handle     text COLLATE "C" NOT NULL,
    issued     bigint NOT NULL DEFAULT 0 CONSTRAINT no_group_has_issued_less_than_nothing CHECK (issued >= 0),
    has_pool   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (partner_id, handle)
) WITH (fillfactor = 75);

-- Codes to be issued, in the order in which they came. `code` is as it is shown; of those that we made `own_code` is what
-- is stored of such a coupon, and `own_prefix` what stands before it.
CREATE TABLE pool_codes (
    partner_id bigint NOT NULL,
    code       text COLLATE "C" NOT NULL CONSTRAINT pool_code_has_characters CHECK (length(code) BETWEEN 1 AND 255),
    handle     text COLLATE "C" NOT NULL,
    number     bigint GENERATED ALWAYS AS IDENTITY,
    own_code   text COLLATE "C",
    own_prefix text,
    run        uuid,
    coupon_id  uuid,
    CONSTRAINT a_pool_code_is_given_once PRIMARY KEY (partner_id, code),
    CONSTRAINT own_pool_code_is_unique UNIQUE (own_code),
    CONSTRAINT own_pool_code_has_a_prefix CHECK ((own_code IS NULL) = (own_prefix IS NULL))
);
CREATE INDEX free_pool_codes ON pool_codes (partner_id, handle, number) WHERE coupon_id IS NULL;
CREATE INDEX pool_codes_of_a_run ON pool_codes (run, number) WHERE run IS NOT NULL;
COMMENT ON COLUMN pool_codes.run IS 'Of codes that were generated: by which run, so that one that was stopped goes on.';

GRANT SELECT, INSERT, UPDATE, DELETE ON group_counts, pool_codes TO couponry_worker, couponry_api;
DO $$
DECLARE tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['group_counts', 'pool_codes'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY partner_sees_its_own_rows ON %I TO couponry_api USING (partner_id = session_partner_id()) WITH CHECK (partner_id = session_partner_id())', tenant_table);
    END LOOP;
END $$;

-- By whoever writes coupons, an older release that runs on among them. The conditions are on the triggers, since most
-- coupons are games' and of no group.
CREATE FUNCTION count_coupon_of_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO group_counts AS g (partner_id, handle, issued) VALUES (NEW.partner_id, NEW.terms ->> 'group', 1)
    ON CONFLICT (partner_id, handle) DO UPDATE SET issued = g.issued + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER coupons_of_a_group_are_counted AFTER INSERT ON coupons FOR EACH ROW
    WHEN (NEW.terms ->> 'group' IS NOT NULL AND NEW.status <> 'cancelled') EXECUTE FUNCTION count_coupon_of_group();
CREATE FUNCTION discount_coupon_of_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE group_counts SET issued = issued - 1 WHERE partner_id = NEW.partner_id AND handle = NEW.terms ->> 'group';
    RETURN NULL;
END $$;
CREATE TRIGGER cancelled_coupons_of_a_group_count_no_more AFTER UPDATE OF status ON coupons FOR EACH ROW
    WHEN (NEW.terms ->> 'group' IS NOT NULL AND NEW.status = 'cancelled' AND OLD.status <> 'cancelled')
    EXECUTE FUNCTION discount_coupon_of_group();

-- Staff look a coupon up by what is shown to them: a code that the partner brought first, exactly as it is written. Of an
-- older release there is the function that reads ours alone.
CREATE FUNCTION staff_coupon_of_code(partner bigint, written text, wanted_code text, shop bigint, clock_offset interval)
RETURNS TABLE (
    is_own_shop boolean, id uuid, code text, code_prefix text, game_id bigint, status text, issued_at timestamptz,
    expires_at timestamptz, holds_single_place boolean, steps integer, notice_at timestamptz,
    reserved_until timestamptz, reserved_shop_id bigint, redeemed_at timestamptz, redeemed_order_id text,
    source_kind text, source_id text, terms jsonb, used_count integer, external_code text, program_version integer,
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
           found.source_kind, found.source_id, found.terms, found.used_count, found.external_code, found.program_version,
           found.customer_id, found.at, found.name, found.reward_description, found.product_ids,
           held.coupons, held.games
    FROM (VALUES (1)) AS one (row) LEFT JOIN (
        SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place,
               c.steps, c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id,
               c.source_kind, c.source_id, c.terms, c.used_count, c.external_code, c.program_version,
               cu.customer_id, greatest(cu.last_at, clock_timestamp() + clock_offset) AS at,
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

-- What there is already of groups: coupons that campaigns, tiers and referrals have granted.
INSERT INTO group_counts (partner_id, handle, issued)
SELECT partner_id, terms ->> 'group', count(*) FROM coupons
WHERE game_id IS NULL AND terms ->> 'group' IS NOT NULL AND status <> 'cancelled'
GROUP BY 1, 2;
