-- What the database holds of the small shop, partner $1.

-- name: decided
-- Decisions by the type of what was decided.
SELECT event_type, count(*) AS decisions FROM decisions WHERE partner_id = $1 GROUP BY 1;

-- name: under_way
-- What waits to be published, and points that are over by the clock moved by $2 and were not ended yet.
SELECT (SELECT count(*) FROM outbox WHERE refused IS NULL) AS queued,
       (SELECT count(*) FROM lots
        WHERE partner_id = $1 AND remaining > 0 AND expires_at <= clock_timestamp() + $2::interval) AS over;

-- name: taken_off
-- What coupons took off orders in all, in the program's currency.
SELECT coalesce(sum((discount ->> 'amount')::numeric), 0)
FROM decisions, jsonb_array_elements(program -> 'discounts') AS discount
WHERE partner_id = $1;
