-- Statements of the migration runner.

-- name: take_turn
-- True if no other migration of this database is at work; ours until the session ends.
SELECT pg_try_advisory_lock($1);

-- name: create_schema
-- Everything of ours lives in one schema.
CREATE SCHEMA IF NOT EXISTS couponry;

-- name: create_log
-- Which files were applied, with the digest of their text at that time.
CREATE TABLE IF NOT EXISTS couponry.schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: database_is_new
-- True before the first migration.
SELECT to_regclass('couponry.schema_migrations') IS NULL;

-- name: applied
-- The log, oldest first.
SELECT version, name, checksum FROM couponry.schema_migrations ORDER BY version;

-- name: newest
-- The last one applied.
SELECT version, name FROM couponry.schema_migrations ORDER BY version DESC LIMIT 1;

-- name: log
-- Remember a file, in the transaction that applied it, or when all its statements are done.
INSERT INTO couponry.schema_migrations (version, name, checksum) VALUES ($1, $2, $3);

-- name: invalid_indexes
-- Indexes that this statement names and that were begun and never became valid.
SELECT format('%I.%I', namespace.nspname, class.relname) AS name
FROM pg_index index
JOIN pg_class class ON class.oid = index.indexrelid
JOIN pg_namespace namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname = 'couponry' AND NOT index.indisvalid AND $1::text ~ ('\m' || class.relname || '\M');

-- name: make_plain_roles
-- Where this login may not make a role that bypasses row-level security, a plain one: the files find it there.
DO $$
DECLARE refused boolean := false;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'couponry_worker') THEN
        BEGIN
            CREATE ROLE couponry_worker NOLOGIN BYPASSRLS;
        EXCEPTION
            WHEN insufficient_privilege THEN refused := true;
            WHEN duplicate_object OR unique_violation THEN NULL; -- another database's migration was faster
        END;
        IF refused THEN
            BEGIN
                CREATE ROLE couponry_worker NOLOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
    END IF;
END $$;

-- name: admit_plain_roles
-- Policies that show every row to workers, and to the owner, where their roles do not bypass row-level security.
DO $$
DECLARE wanted record;
BEGIN
    FOR wanted IN
        SELECT class.oid::regclass AS table_name, policy.name, role.rolname
        FROM pg_class class
        JOIN pg_namespace namespace ON namespace.oid = class.relnamespace AND namespace.nspname = 'couponry'
        CROSS JOIN (VALUES ('workers_serve_every_partner', 'couponry_worker'),
                           ('the_owner_changes_every_row', current_user)) AS policy (name, role_name)
        JOIN pg_roles role ON role.rolname = policy.role_name AND NOT role.rolsuper AND NOT role.rolbypassrls
        WHERE class.relkind IN ('r', 'p') AND class.relrowsecurity
          AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = class.oid AND polname = policy.name)
    LOOP
        EXECUTE format('CREATE POLICY %I ON %s TO %I USING (true) WITH CHECK (true)',
                       wanted.name, wanted.table_name, wanted.rolname);
    END LOOP;
END $$;

-- name: renew_identity
-- Another identity: nothing that relay-progress says of the old one counts any more.
UPDATE deployment SET id = gen_random_uuid() RETURNING id;
