-- Group roles: every process does SET ROLE to the one it needs.
--   couponry_worker  issuer, relay, sweeper, operators: all partners, so it bypasses row-level security
--                    (COPY is refused under it).
--   couponry_api     the partner API: only rows of the partner named in the session setting `couponry.partner_id`.
-- Roles belong to the whole server, so another couponry database there may have made them already.

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'couponry_worker') THEN
        CREATE ROLE couponry_worker NOLOGIN BYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'couponry_api') THEN
        CREATE ROLE couponry_api NOLOGIN NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another migration on this server made them at the same moment
END $$;

DO $$ BEGIN
    IF NOT pg_has_role(current_user, 'couponry_worker', 'MEMBER') THEN
        EXECUTE format('GRANT couponry_worker TO %I', current_user);
    END IF;
    IF NOT pg_has_role(current_user, 'couponry_api', 'MEMBER') THEN
        EXECUTE format('GRANT couponry_api TO %I', current_user);
    END IF;
END $$;

DO $$ BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO couponry_worker, couponry_api', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO couponry_worker', current_schema());
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO couponry_worker, couponry_api', current_schema());
END $$;
-- Nobody rewrites history: decisions and history are append-only, issued coupons are never deleted.
REVOKE UPDATE, DELETE ON decisions, coupon_history, game_versions, deployment, schema_migrations FROM couponry_worker;
REVOKE DELETE ON coupons, customers, dead_letters, games, partners FROM couponry_worker;
REVOKE INSERT ON deployment, schema_migrations FROM couponry_worker;

GRANT SELECT ON partners, games, game_versions, shops, products, customers, decisions, coupons, coupon_history TO couponry_api;

CREATE FUNCTION session_partner_id() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT nullif(current_setting('couponry.partner_id', true), '')::bigint $$;

DO $$
DECLARE tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['shops', 'products', 'games', 'game_versions', 'customers', 'decisions', 'coupons', 'coupon_history'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY partner_sees_its_own_rows ON %I TO couponry_api USING (partner_id = session_partner_id()) WITH CHECK (partner_id = session_partner_id())', tenant_table);
    END LOOP;
    ALTER TABLE partners ENABLE ROW LEVEL SECURITY;
    ALTER TABLE partners FORCE ROW LEVEL SECURITY;
    CREATE POLICY partner_sees_itself ON partners TO couponry_api USING (id = session_partner_id());
END $$;
