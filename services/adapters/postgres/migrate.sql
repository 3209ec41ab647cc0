-- Statements of the migration runner.

-- name: wait_for_other_migrations
-- One migration at a time per database; released when the session ends.
SELECT pg_advisory_lock($1);

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
-- Remember a file, in the transaction that applied it.
INSERT INTO couponry.schema_migrations (version, name, checksum) VALUES ($1, $2, $3);

-- name: renew_identity
-- Another identity: nothing that relay-progress says of the old one counts any more.
UPDATE deployment SET id = gen_random_uuid() RETURNING id;
