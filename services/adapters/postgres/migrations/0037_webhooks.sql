-- Partners' own coupon systems. What is set of them is a section of the program; here is what outlives it, and what nobody
-- is shown again.

-- Since when a partner has had one, whatever became of it: coupons that were issued before are sent only when asked for.
CREATE TABLE webhooks (
    partner_id bigint PRIMARY KEY REFERENCES partners,
    since      timestamptz NOT NULL
);

-- What deliveries are signed with, sealed by a key that is not in the database. `signs_until` null: the newest.
CREATE TABLE webhook_secrets (
    partner_id  bigint NOT NULL REFERENCES webhooks,
    number      integer NOT NULL,
    sealed      text NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    signs_until timestamptz,
    PRIMARY KEY (partner_id, number)
);
CREATE UNIQUE INDEX one_secret_of_a_webhook_is_the_newest ON webhook_secrets (partner_id) WHERE signs_until IS NULL;

GRANT SELECT, INSERT ON webhooks TO couponry_worker, couponry_api;
GRANT SELECT, INSERT, DELETE ON webhook_secrets TO couponry_worker, couponry_api;
GRANT UPDATE (signs_until) ON webhook_secrets TO couponry_worker, couponry_api;

DO $$
DECLARE tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['webhooks', 'webhook_secrets'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY partner_sees_its_own_rows ON %I TO couponry_api USING (partner_id = session_partner_id()) WITH CHECK (partner_id = session_partner_id())', tenant_table);
    END LOOP;
END $$;
