-- The peers' tables: the least that decides the same rule, remembers every event, and can say why.
CREATE SCHEMA bench;

CREATE TABLE bench.games (
    id             bigint PRIMARY KEY,
    partner_id     bigint NOT NULL,
    is_active      boolean NOT NULL,
    allow_multiple boolean NOT NULL,
    validity_days  integer,
    reward         text NOT NULL,
    starts_at      timestamptz,
    ends_at        timestamptz
);

CREATE TABLE bench.inbox (
    source     text NOT NULL,
    id         text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome    text NOT NULL,
    reason     text,
    coupon_id  uuid,
    PRIMARY KEY (source, id)
);

CREATE TABLE bench.coupons (
    id          uuid PRIMARY KEY,
    code        text NOT NULL UNIQUE,
    partner_id  bigint NOT NULL,
    game_id     bigint NOT NULL,
    customer_id text NOT NULL,
    single      boolean NOT NULL,
    status      text NOT NULL DEFAULT 'active',
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz
);
CREATE UNIQUE INDEX one_active_coupon ON bench.coupons (customer_id, game_id) WHERE single AND status = 'active';

CREATE TABLE bench.outbox (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ce_id text NOT NULL,
    key   text NOT NULL,
    value text NOT NULL
);

CREATE FUNCTION bench.rfc3339(at timestamptz) RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

-- One event: dedupe, rule, coupon, decision and outbox row in one call. Answers the outcome.
CREATE FUNCTION bench.complete_game(
    p_source text, p_id text, p_occurred_at timestamptz, p_partner bigint, p_game bigint, p_customer text,
    p_won boolean, p_coupon uuid, p_code text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    game    bench.games;
    v_at    timestamptz;
    expires timestamptz;
    refusal text;
BEGIN
    -- One event of a customer at a time; it also orders two deliveries of one event.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_customer, p_partner));
    PERFORM FROM bench.inbox WHERE source = p_source AND id = p_id;
    IF FOUND THEN
        RETURN 'repeat';
    END IF;
    v_at := clock_timestamp();
    SELECT * INTO game FROM bench.games g WHERE g.id = p_game AND g.partner_id = p_partner;
    refusal := CASE
        WHEN NOT FOUND THEN 'game_not_found'
        WHEN NOT p_won THEN 'result_lost'
        WHEN NOT game.is_active THEN 'game_inactive'
        WHEN p_occurred_at < game.starts_at THEN 'game_not_started'
        WHEN p_occurred_at >= game.ends_at THEN 'game_ended'
    END;
    IF refusal IS NULL AND NOT game.allow_multiple THEN
        UPDATE bench.coupons c SET status = 'expired'
        WHERE c.customer_id = p_customer AND c.game_id = p_game AND c.single AND c.status = 'active'
          AND c.expires_at <= v_at;
        PERFORM FROM bench.coupons c
        WHERE c.customer_id = p_customer AND c.game_id = p_game AND c.single AND c.status = 'active';
        IF FOUND THEN
            refusal := 'active_coupon_exists';
        END IF;
    END IF;
    IF refusal IS NOT NULL THEN
        INSERT INTO bench.inbox (source, id, decided_at, outcome, reason)
        VALUES (p_source, p_id, v_at, 'declined', refusal);
        RETURN 'declined';
    END IF;
    expires := v_at + make_interval(hours => 24 * game.validity_days);
    INSERT INTO bench.coupons (id, code, partner_id, game_id, customer_id, single, issued_at, expires_at)
    VALUES (p_coupon, p_code, p_partner, p_game, p_customer, NOT game.allow_multiple, v_at, expires);
    INSERT INTO bench.inbox (source, id, decided_at, outcome, coupon_id)
    VALUES (p_source, p_id, v_at, 'issued', p_coupon);
    INSERT INTO bench.outbox (ce_id, key, value)
    VALUES (p_coupon || '.issued', p_customer, json_build_object(
        'coupon_id', p_coupon, 'code', regexp_replace(p_code, '(.{4})(?!$)', '\1-', 'g'),
        'partner_id', p_partner, 'game_id', p_game,
        'customer_id', p_customer, 'reward_description', game.reward, 'product_ids', '[]'::json,
        'issued_at', bench.rfc3339(v_at), 'expires_at', bench.rfc3339(expires), 'is_unlimited', expires IS NULL,
        'rule', json_build_object('allow_multiple_active_coupons', game.allow_multiple,
                                  'coupon_validity_days', game.validity_days, 'version', 1),
        'cause', json_build_object('source', p_source, 'id', p_id, 'type', 'game.completed'))::text);
    RETURN 'issued';
END $$;
