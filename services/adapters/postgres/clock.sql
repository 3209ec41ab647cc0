-- What time it is.

-- name: clock
-- The instant that counts: the database's clock, moved by the test clock.
SELECT clock_timestamp() + $1::interval;
