-- Birthdays of customers.

-- name: birthdays_told
-- Those of these that were told.
SELECT named.partner_id, named.customer_id, named.year, found.customer_no
FROM unnest($1::bigint[], $2::text[], $3::integer[]) AS named (partner_id, customer_id, year)
CROSS JOIN LATERAL (
    SELECT b.customer_no FROM customers c JOIN birthdays b USING (customer_no)
    WHERE c.partner_id = named.partner_id AND c.customer_id = named.customer_id AND b.year = named.year OFFSET 0
) AS found;
