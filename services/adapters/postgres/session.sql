-- What a session is, asked when it begins.

-- name: who_am_i
-- Its role, where it looks for names, and whether policies leave its role alone.
SELECT rolname::text AS role, current_setting('search_path') AS search_path, rolsuper OR rolbypassrls AS sees_every_row
FROM pg_roles WHERE rolname = current_user;

-- name: which_process
-- The server process that answers, of which run of which server.
SELECT format('%s %s', pg_backend_pid(), pg_postmaster_start_time());
