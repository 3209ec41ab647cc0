-- Whether the server is of use.

-- name: standing
-- How late is it there, and does it refuse writes? A standby does, and one whose disk is full or whose owner has made it so.
SELECT current_setting('transaction_read_only')::boolean AS read_only, clock_timestamp() AS now;
