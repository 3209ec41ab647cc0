-- What partners' own coupon systems are told, each thing once, and every attempt at it. Rows say what was sent, offsets do not.

-- A customer's deliveries go one after the other, in the order of `at` (the coupon's issue, or its cancellation), then of
-- `number`: the first that is pending `is_next`, and it alone may be under way, which it is from `begun_at` on. Whoever
-- adds to a customer's line or ends what is at its head holds the line's advisory lock until the commit. `attempts` counts
-- all there were, `tries` those since it was queued last, by which the schedule goes; `was_sent`: the partner's system may
-- know of it. `delivered_at`: the first time; what is sent again afterwards and fails is delivered all the same.
CREATE TABLE deliveries (
    coupon_id    uuid NOT NULL,
    kind         text NOT NULL CONSTRAINT what_is_told_of_a_coupon CHECK (kind IN ('issued', 'cancelled')),
    partner_id   bigint NOT NULL,
    customer_no  bigint NOT NULL,
    at           timestamptz NOT NULL,
    number       bigint GENERATED ALWAYS AS IDENTITY,
    type         text NOT NULL,
    status       text NOT NULL CONSTRAINT delivery_has_a_known_status CHECK (status IN ('pending', 'held', 'delivered', 'dead')),
    is_next      boolean NOT NULL DEFAULT false,
    due_at       timestamptz NOT NULL,
    begun_at     timestamptz,
    attempts     integer NOT NULL DEFAULT 0,
    tries        integer NOT NULL DEFAULT 0,
    was_sent     boolean NOT NULL DEFAULT false,
    delivered_at timestamptz,
    CONSTRAINT a_coupon_is_told_of_once PRIMARY KEY (coupon_id, kind),
    CONSTRAINT what_is_delivered_was_so_since_an_instant CHECK (status <> 'delivered' OR delivered_at IS NOT NULL),
    CONSTRAINT only_what_is_pending_is_next CHECK (NOT is_next OR status = 'pending'),
    CONSTRAINT only_what_is_next_is_under_way CHECK (begun_at IS NULL OR is_next)
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX one_delivery_of_a_customer_is_next ON deliveries (customer_no) WHERE is_next;
CREATE INDEX deliveries_due ON deliveries (partner_id, due_at) WHERE is_next AND begun_at IS NULL;
CREATE INDEX deliveries_under_way ON deliveries (begun_at) WHERE begun_at IS NOT NULL;
CREATE INDEX deliveries_of_a_line ON deliveries (customer_no, at, number) WHERE status = 'pending';
CREATE INDEX deliveries_unfinished ON deliveries (partner_id, status) WHERE status IN ('pending', 'held');
CREATE INDEX deliveries_by_partner ON deliveries (partner_id, at, number);
CREATE INDEX deliveries_by_customer ON deliveries (customer_no, at, number);

-- `request` is what was sent, its secrets masked; `detail` the first of the answer, or what went wrong.
CREATE TABLE delivery_attempts (
    coupon_id   uuid NOT NULL,
    kind        text NOT NULL,
    number      integer NOT NULL,
    partner_id  bigint NOT NULL,
    at          timestamptz NOT NULL,
    status      integer,
    error       text CONSTRAINT attempt_failed_for_a_known_reason CHECK (error IN (
        'forbidden_address', 'unresolved', 'refused', 'reset', 'timeout', 'tls', 'not_http', 'status', 'too_large', 'not_json',
        'no_code', 'code_taken', 'gone', 'interrupted', 'coupon_cancelled', 'coupon_expired')),
    duration_ms integer NOT NULL CONSTRAINT attempt_takes_no_less_than_no_time CHECK (duration_ms >= 0),
    detail      text,
    request     json,
    CONSTRAINT an_attempt_is_kept_once PRIMARY KEY (coupon_id, kind, number),
    FOREIGN KEY (coupon_id, kind) REFERENCES deliveries
);

GRANT SELECT, INSERT, UPDATE ON deliveries TO couponry_worker, couponry_api;
GRANT SELECT, INSERT ON delivery_attempts TO couponry_worker, couponry_api;
DO $$
DECLARE tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['deliveries', 'delivery_attempts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY partner_sees_its_own_rows ON %I TO couponry_api USING (partner_id = session_partner_id()) WITH CHECK (partner_id = session_partner_id())', tenant_table);
    END LOOP;
END $$;

-- Which of these codes, already read as ours, are another coupon's, anybody's, or wait in a pool to be one. By their places;
-- a session of one partner learns no more of the others.
CREATE FUNCTION codes_that_read_as_own(coupon_ids uuid[], prefixes text[], codes text[]) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
    SELECT given.place FROM unnest(coupon_ids, prefixes, codes) WITH ORDINALITY AS given (coupon_id, prefix, code, place)
    WHERE EXISTS (
        SELECT FROM coupons c WHERE c.code = given.code AND c.id <> given.coupon_id
          AND given.prefix IN ('', translate(upper(c.code_prefix), 'OIL', '011')))
       OR EXISTS (
        SELECT FROM pool_codes p WHERE p.own_code = given.code AND p.coupon_id IS DISTINCT FROM given.coupon_id
          AND given.prefix IN ('', translate(upper(p.own_prefix), 'OIL', '011')))
$$;
REVOKE ALL ON FUNCTION codes_that_read_as_own FROM public;
GRANT EXECUTE ON FUNCTION codes_that_read_as_own TO couponry_worker, couponry_api;
