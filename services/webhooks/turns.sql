-- Who sends.

-- name: take_turn
-- Take the lock for as long as this session lives, if nobody has it.
SELECT pg_try_advisory_lock($1);
