-- Customers as the v4 dialect names them.

-- name: number
-- The number of the customer of this id.
SELECT customer_no FROM customers WHERE partner_id = $1 AND customer_id = $2;

-- name: asking
-- The revision of a partner's program, and its customer of this id, locked and at their instant as by `lock_customers`.
WITH locked AS (
    INSERT INTO customers AS known (partner_id, customer_id, last_at)
    VALUES ($1, $2, clock_timestamp() + $3::interval)
    ON CONFLICT (partner_id, customer_id) DO UPDATE
        SET last_at = greatest(known.last_at, clock_timestamp() + $3::interval)
    RETURNING customer_no, last_at, (xmax = 0) AS is_new, clock_timestamp() AS now
)
SELECT g.revision, l.customer_no, l.last_at, l.is_new, l.now FROM programs g CROSS JOIN locked l WHERE g.partner_id = $1;
