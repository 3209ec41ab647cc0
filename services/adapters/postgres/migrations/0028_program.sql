-- The program: what a partner has set for points, tiers, campaigns, referrals and cards, and what its customers have come
-- to by it. Customers' rows here are guarded as their coupons are: by the lock on the customer's row in `customers`.

-- A row for every partner from the start, at version 0: nothing set. Whoever decides shares it until the commit, as games.
-- `revision` moves with whatever the rules see, `version` only once something has been set. `cards` and `time_zone` are
-- copies, kept by triggers, so that a decision's rules are one row.
CREATE TABLE programs (
    partner_id bigint PRIMARY KEY REFERENCES partners,
    version    integer NOT NULL DEFAULT 0,
    revision   bigint NOT NULL DEFAULT 1,
    sections   jsonb NOT NULL DEFAULT '{}' CONSTRAINT sections_are_an_object CHECK (jsonb_typeof(sections) = 'object'),
    cards      jsonb NOT NULL DEFAULT '[]' CONSTRAINT cards_are_a_list CHECK (jsonb_typeof(cards) = 'array'),
    time_zone  text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE SEQUENCE program_item_ids;
COMMENT ON SEQUENCE program_item_ids IS 'Ids of tiers, campaigns and redemption rules, of all partners.';

-- Every version for ever: decisions name theirs.
CREATE TABLE program_versions (
    partner_id bigint NOT NULL,
    version    integer NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text NOT NULL,
    changed    text[] NOT NULL,
    sections   jsonb NOT NULL,
    cards      jsonb NOT NULL,
    time_zone  text NOT NULL,
    PRIMARY KEY (partner_id, version)
);

-- What of a partner's cards is rules, as the API keeps it.
CREATE FUNCTION cards_of(partner bigint) RETURNS jsonb LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'id', c.id, 'is_active', c.is_active, 'shop_ids', to_jsonb(c.shop_ids),
               'settings', (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(c.settings) WHERE key = ANY ('{
                   auto_assign, points_enabled, initial_bonus_points, points_expiration_days, points_per_currency,
                   currency_amount, round_points_up, min_points_per_purchase, max_points_per_purchase, points_per_visit,
                   points_redemption_enabled, points_per_currency_redemption, currency_amount_redemption,
                   min_points_for_redemption, max_points_per_redemption}'))
           ) ORDER BY c.id), '[]')
    FROM cards c WHERE c.partner_id = partner AND c.deleted_at IS NULL
$$;

CREATE FUNCTION keep_rules_of_partner(partner bigint, who text, what text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    rules programs;
    zone  text := (SELECT p.time_zone FROM partners p WHERE p.id = partner);
BEGIN
    SELECT * INTO rules FROM programs WHERE partner_id = partner FOR UPDATE;
    IF rules.cards = cards_of(partner) AND rules.time_zone = zone THEN
        RETURN;
    END IF;
    UPDATE programs SET cards = cards_of(partner), time_zone = zone, revision = revision + 1,
           version = version + (version > 0)::integer, updated_at = clock_timestamp()
    WHERE partner_id = partner RETURNING * INTO rules;
    IF rules.version > 0 THEN
        INSERT INTO program_versions (partner_id, version, actor, changed, sections, cards, time_zone)
        VALUES (partner, rules.version, who, ARRAY[what], rules.sections, rules.cards, rules.time_zone);
    END IF;
END $$;

CREATE FUNCTION keep_program_of_partner() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO programs (partner_id, time_zone) VALUES (NEW.id, NEW.time_zone);
    ELSE
        PERFORM keep_rules_of_partner(NEW.id, 'operator', 'time_zone');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER every_partner_has_a_program AFTER INSERT OR UPDATE OF time_zone ON partners
    FOR EACH ROW EXECUTE FUNCTION keep_program_of_partner();

CREATE FUNCTION keep_cards_of_program() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM keep_rules_of_partner(NEW.partner_id, 'partner', 'cards');
    RETURN NULL;
END $$;
CREATE TRIGGER cards_are_rules_too AFTER INSERT OR UPDATE ON cards
    FOR EACH ROW EXECUTE FUNCTION keep_cards_of_program();

INSERT INTO programs (partner_id, time_zone, cards) SELECT id, time_zone, cards_of(id) FROM partners;

-- Who a customer is. `referral_key`: the event that completed the referral. `birthday_at`: when the next one begins.
CREATE TABLE profiles (
    customer_no   bigint PRIMARY KEY,
    partner_id    bigint NOT NULL,
    registered_at timestamptz,
    tags          text[] NOT NULL,
    birthday      date,
    locale        text,
    attributes    jsonb NOT NULL,
    referred_by   text COLLATE "C",
    referral_key  uuid,
    card_id       bigint,
    card_since    timestamptz,
    bonus_cards   bigint[] NOT NULL,
    birthday_at   timestamptz,
    CONSTRAINT a_referral_is_set_by_who_registers CHECK (referred_by IS NULL OR registered_at IS NOT NULL),
    CONSTRAINT a_completed_referral_has_a_referrer CHECK (referral_key IS NULL OR referred_by IS NOT NULL),
    CONSTRAINT a_card_is_held_since_an_instant CHECK ((card_id IS NULL) = (card_since IS NULL))
) WITH (fillfactor = 75);
CREATE INDEX profiles_by_referrer ON profiles (partner_id, referred_by, customer_no) WHERE referred_by IS NOT NULL;
CREATE INDEX profiles_by_card ON profiles (card_id, customer_no) WHERE card_id IS NOT NULL;
CREATE INDEX birthdays_due ON profiles (birthday_at) WHERE birthday_at IS NOT NULL;

-- Birthdays that were told, each once.
CREATE TABLE birthdays (
    customer_no bigint NOT NULL,
    year        integer NOT NULL,
    partner_id  bigint NOT NULL,
    at          timestamptz NOT NULL,
    CONSTRAINT a_birthday_comes_once_a_year PRIMARY KEY (customer_no, year)
);

-- What a customer has come to: the sum of the ledger, in the row that decisions begin with. `entries` is how many there
-- are. `campaigns`: by id [achieved, round, steps].
CREATE TABLE wallets (
    customer_no   bigint PRIMARY KEY,
    partner_id    bigint NOT NULL,
    entries       bigint NOT NULL,
    balance       bigint NOT NULL CONSTRAINT a_balance_is_never_below_nothing CHECK (balance >= 0),
    owed          bigint NOT NULL CONSTRAINT nobody_owes_less_than_nothing CHECK (owed >= 0),
    points_earned bigint NOT NULL,
    score         bigint NOT NULL,
    spent         numeric NOT NULL,
    orders        bigint NOT NULL,
    referrals     bigint NOT NULL,
    tier_recorded boolean NOT NULL,
    tier_id       bigint,
    tier_order    integer,
    tier_name     text,
    granted_ids   bigint[] NOT NULL,
    granted_names text[] NOT NULL,
    campaigns     jsonb NOT NULL
) WITH (fillfactor = 75);

-- The ledger: only added to. A customer's entries are numbered from 1 without a gap; `id` is in the order of writing.
-- `at` is when it takes effect, `event_key` whose decision it is of (null: time's). `takes`: [lot, points, counted] each.
CREATE TABLE ledger (
    customer_no   bigint NOT NULL,
    number        bigint NOT NULL,
    id            bigint GENERATED ALWAYS AS IDENTITY,
    partner_id    bigint NOT NULL,
    event_key     uuid,
    at            timestamptz NOT NULL,
    kind          text NOT NULL CONSTRAINT entry_kind_is_known CHECK (kind IN ('earned', 'spent', 'expired', 'reversed', 'restored')),
    source_kind   text NOT NULL,
    source_id     text NOT NULL,
    points        bigint NOT NULL,
    balance       bigint NOT NULL CONSTRAINT no_entry_leaves_less_than_nothing CHECK (balance >= 0),
    owed          bigint NOT NULL,
    points_earned bigint NOT NULL,
    score         bigint NOT NULL,
    spent         numeric NOT NULL,
    orders        integer NOT NULL,
    referrals     integer NOT NULL,
    takes         jsonb,
    order_id      text COLLATE "C",
    base_points   numeric,
    factor        numeric,
    expires_at    timestamptz,
    reason        text,
    CONSTRAINT a_ledger_counts_without_a_gap PRIMARY KEY (customer_no, number)
);
CREATE INDEX ledger_by_partner ON ledger (partner_id, id);
ALTER TABLE ledger SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0,
                        autovacuum_analyze_scale_factor = 0.02);

-- Points that came in together and end together, by the number of the entry that opened them.
CREATE TABLE lots (
    customer_no bigint NOT NULL,
    number      bigint NOT NULL,
    partner_id  bigint NOT NULL,
    source_kind text NOT NULL,
    source_id   text NOT NULL,
    earned_at   timestamptz NOT NULL,
    expires_at  timestamptz,
    notice_at   timestamptz,
    amount      bigint NOT NULL,
    remaining   bigint NOT NULL,
    expired     bigint NOT NULL,
    PRIMARY KEY (customer_no, number),
    CONSTRAINT a_lot_gives_no_more_than_it_has CHECK (remaining >= 0 AND expired >= 0 AND remaining + expired <= amount)
) WITH (fillfactor = 75);
CREATE INDEX open_lots ON lots (customer_no, expires_at) WHERE remaining > 0;
CREATE INDEX lots_due ON lots ((least(notice_at, expires_at))) WHERE remaining > 0 AND expires_at IS NOT NULL;

-- An order earns once, whoever tells of it. `steps`: [campaign, round]; `achievements`: as the rules keep them.
CREATE TABLE purchases (
    partner_id   bigint NOT NULL,
    order_id     text COLLATE "C" NOT NULL,
    customer_no  bigint NOT NULL,
    event_key    uuid NOT NULL,
    amount       numeric NOT NULL,
    points       bigint NOT NULL,
    score        bigint NOT NULL,
    entry        bigint,
    refunded     numeric NOT NULL,
    is_closed    boolean NOT NULL,
    steps        jsonb NOT NULL,
    achievements jsonb NOT NULL,
    CONSTRAINT an_order_earns_once PRIMARY KEY (partner_id, order_id),
    CONSTRAINT no_more_is_refunded_than_was_paid CHECK (refunded BETWEEN 0 AND amount)
) WITH (fillfactor = 90);

-- Refunds by part of orders that have not come.
CREATE TABLE refunds_before (
    partner_id  bigint NOT NULL,
    order_id    text COLLATE "C" NOT NULL,
    customer_no bigint NOT NULL,
    refunded    numeric NOT NULL,
    PRIMARY KEY (partner_id, order_id, customer_no)
);

-- Uses that orders have of coupons with terms, by the step of the coupon that each was.
CREATE TABLE coupon_uses (
    customer_no bigint NOT NULL,
    order_id    text COLLATE "C" NOT NULL,
    coupon_id   uuid NOT NULL,
    partner_id  bigint NOT NULL,
    step        integer NOT NULL,
    given_back  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (customer_no, order_id, coupon_id, step)
);

-- What a partner books by hand, once by the id it gives.
CREATE TABLE manual_transactions (
    partner_id     bigint NOT NULL,
    transaction_id text COLLATE "C" NOT NULL,
    customer_no    bigint NOT NULL,
    number         bigint NOT NULL,
    CONSTRAINT a_transaction_is_booked_once PRIMARY KEY (partner_id, transaction_id)
);
CREATE INDEX manual_transactions_by_entry ON manual_transactions (customer_no, number);

-- What the program made of an event, and by which version; null for partners without one.
ALTER TABLE decisions ADD COLUMN program_version integer, ADD COLUMN program jsonb;
ALTER TABLE decisions DROP CONSTRAINT a_recorded_decision_names_its_order;

-- Coupons that no game issued: by what, and what they are worth.
ALTER TABLE coupons
    ALTER COLUMN game_id DROP NOT NULL, ALTER COLUMN rule_version DROP NOT NULL, ALTER COLUMN rule_allow_multiple DROP NOT NULL,
    ADD COLUMN source_kind text, ADD COLUMN source_id text, ADD COLUMN terms jsonb, ADD COLUMN program_version integer,
    ADD COLUMN used_count integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT a_coupon_is_of_a_game_or_has_terms CHECK (
        CASE WHEN game_id IS NULL
             THEN terms IS NOT NULL AND source_kind IS NOT NULL AND source_id IS NOT NULL AND program_version IS NOT NULL
             ELSE terms IS NULL AND rule_version IS NOT NULL AND rule_allow_multiple IS NOT NULL END) NOT VALID,
    ADD CONSTRAINT a_coupon_is_used_no_more_than_its_limit CHECK (
        used_count BETWEEN 0 AND coalesce((terms ->> 'usage_limit')::integer, 0)) NOT VALID,
    DROP CONSTRAINT expiry_follows_from_the_rule,
    ADD CONSTRAINT expiry_follows_from_the_rule CHECK (
        game_id IS NULL
        OR expires_at IS NOT DISTINCT FROM coalesce(mended_at, issued_at) + make_interval(hours => 24 * rule_validity_days)) NOT VALID;
ALTER TABLE coupon_history
    DROP CONSTRAINT a_step_is_a_transition_of_the_state_machine,
    ADD CONSTRAINT a_step_is_a_transition_of_the_state_machine CHECK (was || ' ' || word || ' ' || status IN (
        'active reserved reserved', 'active used active', 'active redeemed redeemed', 'active expired expired',
        'active cancelled cancelled', 'active reinstated active', 'reserved released active', 'reserved used active',
        'reserved redeemed redeemed', 'reserved expired expired', 'reserved cancelled cancelled',
        'redeemed reinstated active')) NOT VALID;

-- Staff look a coupon up by its code, whoever issued it.
DROP FUNCTION staff_coupon_of_code(bigint, text, bigint, interval);
CREATE FUNCTION staff_coupon_of_code(partner bigint, wanted_code text, shop bigint, clock_offset interval)
RETURNS TABLE (
    is_own_shop boolean, id uuid, code text, code_prefix text, game_id bigint, status text, issued_at timestamptz,
    expires_at timestamptz, holds_single_place boolean, steps integer, notice_at timestamptz,
    reserved_until timestamptz, reserved_shop_id bigint, redeemed_at timestamptz, redeemed_order_id text,
    source_kind text, source_id text, terms jsonb, used_count integer, program_version integer,
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
           found.source_kind, found.source_id, found.terms, found.used_count, found.program_version,
           found.customer_id, found.at, found.name, found.reward_description, found.product_ids,
           held.coupons, held.games
    FROM (VALUES (1)) AS one (row) LEFT JOIN (
        SELECT c.id, c.code, c.code_prefix, c.game_id, c.status, c.issued_at, c.expires_at, c.holds_single_place,
               c.steps, c.notice_at, c.reserved_until, c.reserved_shop_id, c.redeemed_at, c.redeemed_order_id,
               c.source_kind, c.source_id, c.terms, c.used_count, c.program_version,
               cu.customer_id, greatest(cu.last_at, clock_timestamp() + clock_offset) AS at,
               g.name, g.reward_description, g.product_ids, c.customer_no
        FROM coupons c JOIN customers cu USING (customer_no) LEFT JOIN games g ON g.id = c.game_id
        WHERE c.code = wanted_code
    ) AS found ON true LEFT JOIN LATERAL (
        -- The owner's active coupons: how many, of how many games.
        SELECT count(*) AS coupons, count(DISTINCT h.game_id) AS games FROM coupons h
        WHERE h.customer_no = found.customer_no AND h.status IN ('active', 'reserved') AND (h.expires_at IS NULL OR h.expires_at > found.at)
    ) AS held ON true;
END $$;

-- Nobody rewrites the ledger, and nothing that was agreed is deleted.
GRANT SELECT, INSERT ON ledger, program_versions, birthdays, manual_transactions, purchases, coupon_uses TO couponry_worker, couponry_api;
GRANT SELECT, INSERT, UPDATE ON wallets, profiles, programs TO couponry_worker, couponry_api;
GRANT SELECT, INSERT ON lots TO couponry_worker, couponry_api;
GRANT UPDATE (remaining, expired, notice_at) ON lots TO couponry_worker, couponry_api;
GRANT UPDATE (refunded, is_closed) ON purchases TO couponry_worker, couponry_api;
GRANT UPDATE (given_back) ON coupon_uses TO couponry_worker, couponry_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON refunds_before TO couponry_worker, couponry_api;
GRANT USAGE ON SEQUENCE program_item_ids TO couponry_worker, couponry_api;
GRANT UPDATE (used_count) ON coupons TO couponry_worker, couponry_api;
GRANT SELECT ON reversed_orders TO couponry_api;

DO $$
DECLARE tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['programs', 'program_versions', 'profiles', 'birthdays', 'wallets', 'ledger', 'lots',
        'purchases', 'refunds_before', 'coupon_uses', 'manual_transactions'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY partner_sees_its_own_rows ON %I TO couponry_api USING (partner_id = session_partner_id()) WITH CHECK (partner_id = session_partner_id())', tenant_table);
    END LOOP;
END $$;
