-- Group roles: every process does SET ROLE to the one it needs.
--   couponry_worker  issuer, relay, sweeper, operators: all partners, so it bypasses row-level security
--                    (COPY is refused under it).
--   couponry_api     the partner API: only rows of the partner named in the session setting `couponry.partner_id`.
-- Roles belong to the whole server: another couponry database there, or an administrator where this login may not
-- make such roles, may have made them already.

DO $$
DECLARE
    wanted record;
    -- From 16 on, whoever makes a role is its member without being allowed to SET ROLE to it.
    needed text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOR wanted IN VALUES ('couponry_worker', 'BYPASSRLS'), ('couponry_api', 'NOBYPASSRLS') LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.column1) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN %s', wanted.column1, wanted.column2);
            END IF;
            IF NOT pg_has_role(session_user, wanted.column1, needed) THEN
                EXECUTE format('GRANT %I TO %I', wanted.column1, session_user);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- a migration of another database on this server did the same at the same moment
        END;
    END LOOP;
END $$;

DO $$ BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO couponry_worker, couponry_api', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO couponry_worker', current_schema());
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO couponry_worker', current_schema());
END $$;
-- A game loaded with an id of its own moves the sequence past that id.
GRANT UPDATE ON SEQUENCE games_id_seq TO couponry_worker;

-- Nobody rewrites history: decisions and steps are only added, and nothing that was issued, met or agreed is deleted.
REVOKE UPDATE, DELETE ON decisions, coupon_history, game_versions FROM couponry_worker;
REVOKE DELETE ON coupons, customers, dead_letters, games, orders, order_stamps, partners, stamp_cards FROM couponry_worker;
REVOKE INSERT, UPDATE, DELETE ON deployment, schema_migrations FROM couponry_worker;
-- A coupon moves through its states; its code, owner, rule and validity are fixed at the first decision.
REVOKE UPDATE ON coupons FROM couponry_worker;
GRANT UPDATE (status, steps, notice_at, reserved_until, reserved_shop_id, redeemed_at, redeemed_order_id,
              holds_single_place) ON coupons TO couponry_worker;

GRANT SELECT ON games, game_versions, shops, products, customers, decisions, coupons,
    coupon_history, stamp_cards TO couponry_api;
GRANT SELECT (id, name, time_zone, store_id, created_at) ON partners TO couponry_api;

CREATE FUNCTION session_partner_id() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT nullif(current_setting('couponry.partner_id', true), '')::bigint $$;

DO $$
DECLARE tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['shops', 'products', 'games', 'game_versions', 'customers', 'decisions', 'coupons', 'coupon_history',
        'orders', 'order_stamps', 'stamp_cards', 'game_quota'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY partner_sees_its_own_rows ON %I TO couponry_api USING (partner_id = session_partner_id()) WITH CHECK (partner_id = session_partner_id())', tenant_table);
    END LOOP;
    ALTER TABLE partners ENABLE ROW LEVEL SECURITY;
    ALTER TABLE partners FORCE ROW LEVEL SECURITY;
    CREATE POLICY partner_sees_itself ON partners TO couponry_api USING (id = session_partner_id());
END $$;
