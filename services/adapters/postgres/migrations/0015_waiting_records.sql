-- Records that cannot be judged yet for a reason that is ours: kept whole until they can, so that nothing waits for them.
CREATE TABLE waiting_records (
    topic          text        NOT NULL,
    partition      integer     NOT NULL,
    "offset"       bigint      NOT NULL,
    event_key      text        NOT NULL,
    timestamp_ms   bigint      NOT NULL,
    timestamp_type integer     NOT NULL,
    key            bytea,
    value          bytea,
    header_names   text[]      NOT NULL,
    header_values  bytea[]     NOT NULL,
    partner_id     bigint,
    customer_id    text,
    game_id        bigint,
    why            text        NOT NULL,
    todo           text        NOT NULL,
    since          timestamptz NOT NULL DEFAULT clock_timestamp(),
    tries          integer     NOT NULL DEFAULT 0,
    next_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    place          bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT a_waiting_record_has_a_place UNIQUE,
    CONSTRAINT a_record_waits_once PRIMARY KEY (topic, partition, "offset", event_key)
);
CREATE INDEX waiting_by_customer ON waiting_records (partner_id, customer_id, place);
CREATE INDEX waiting_by_turn ON waiting_records (next_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON waiting_records TO couponry_worker;
GRANT USAGE ON SEQUENCE waiting_records_place_seq TO couponry_worker;

-- The same look at the beginning of a batch, which now says of a customer for whom a record waits that nobody knows
-- whether it is new (`is_new` is null). An older release takes that for a known one.
CREATE OR REPLACE FUNCTION open_batch(
    event_keys uuid[], partner_ids bigint[], customer_ids text[], place_customers integer[], place_games bigint[],
    clock_offset interval
) RETURNS TABLE (
    event_key uuid, event_id text, event_source text, customer_no bigint, at timestamptz, is_new boolean,
    id uuid, code text, code_prefix text, game_id bigint, status text, issued_at timestamptz, expires_at timestamptz,
    holds_single_place boolean, steps integer, notice_at timestamptz, reserved_until timestamptz,
    reserved_shop_id bigint, redeemed_at timestamptz, redeemed_order_id text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    numbers  bigint[];
    instants timestamptz[];
    news     boolean[];
BEGIN
    FOR event_key, event_id, event_source IN
        SELECT d.event_key, d.event_id, d.event_source FROM decisions d WHERE d.event_key = ANY (event_keys)
    LOOP
        RETURN NEXT;
    END LOOP;
    IF FOUND THEN
        RETURN;
    END IF;

    WITH locked AS (
        INSERT INTO customers AS known (partner_id, customer_id, last_at)
        SELECT named.partner_id, named.customer_id, clock_timestamp() + clock_offset
        FROM unnest(partner_ids, customer_ids) AS named (partner_id, customer_id)
        ON CONFLICT (partner_id, customer_id) DO UPDATE
            SET last_at = greatest(known.last_at, clock_timestamp() + clock_offset)
        RETURNING known.partner_id, known.customer_id, known.customer_no, known.last_at, (xmax = 0) AS is_new
    )
    SELECT array_agg(l.customer_no ORDER BY l.partner_id, l.customer_id),
           array_agg(l.last_at ORDER BY l.partner_id, l.customer_id),
           array_agg(l.is_new ORDER BY l.partner_id, l.customer_id)
    INTO numbers, instants, news FROM locked l;

    -- Not for the API's role: what shop staff do waits for nothing.
    IF has_table_privilege('waiting_records', 'SELECT') THEN
        IF EXISTS (SELECT FROM waiting_records) THEN
            SELECT array_agg(CASE WHEN NOT EXISTS (
                       SELECT FROM waiting_records w
                       WHERE w.partner_id = named.partner_id AND w.customer_id = named.customer_id
                   ) THEN named.is_new END ORDER BY named.place)
            INTO news
            FROM unnest(partner_ids, customer_ids, news) WITH ORDINALITY
                AS named (partner_id, customer_id, is_new, place);
        END IF;
    END IF;

    RETURN QUERY
    SELECT NULL::uuid, NULL::text, NULL::text, l.customer_no, l.at, l.is_new,
           NULL::uuid, NULL::text, NULL::text, NULL::bigint, NULL::text, NULL::timestamptz, NULL::timestamptz,
           NULL::boolean, NULL::integer, NULL::timestamptz, NULL::timestamptz, NULL::bigint, NULL::timestamptz, NULL::text
    FROM unnest(numbers, instants, news) WITH ORDINALITY AS l (customer_no, at, is_new, place)
    ORDER BY l.place;

    RETURN QUERY
    SELECT NULL::uuid, NULL::text, NULL::text, held.customer_no, NULL::timestamptz, NULL::boolean,
           held.id, held.code, held.code_prefix, held.game_id, held.status, held.issued_at, held.expires_at,
           held.holds_single_place, held.steps, held.notice_at, held.reserved_until, held.reserved_shop_id,
           held.redeemed_at, held.redeemed_order_id
    FROM unnest(place_customers, place_games) AS named (customer, game_id)
    CROSS JOIN LATERAL (
        SELECT * FROM coupons c
        WHERE c.customer_no = numbers[named.customer] AND c.game_id = named.game_id
          AND c.holds_single_place AND c.status IN ('active', 'reserved')
        LIMIT 1
    ) AS held
    WHERE news[named.customer] IS NOT TRUE;
END $$;
