-- Birthdays of customers.

-- name: birthdays_told
-- Those of these that were told.
SELECT named.partner_id, named.customer_id, named.year, found.customer_no
FROM unnest($1::bigint[], $2::text[], $3::integer[]) AS named (partner_id, customer_id, year)
CROSS JOIN LATERAL (
    SELECT b.customer_no FROM customers c JOIN birthdays b USING (customer_no)
    WHERE c.partner_id = named.partner_id AND c.customer_id = named.customer_id AND b.year = named.year OFFSET 0
) AS found;

-- name: birthdays_due
-- Customers nobody else is working on whose noted birthday has begun, the earliest first.
SELECT cu.partner_id, cu.customer_id, cu.customer_no, p.birthday, p.birthday_at, g.version AS program_version, g.time_zone
FROM (
    SELECT customer_no, birthday, birthday_at FROM profiles WHERE birthday_at <= $1 AND birthday IS NOT NULL
    ORDER BY birthday_at LIMIT $2
) AS p
JOIN customers cu USING (customer_no)
JOIN programs g ON g.partner_id = cu.partner_id
ORDER BY cu.partner_id, cu.customer_id
FOR UPDATE OF cu SKIP LOCKED;

-- name: tell_birthday
-- A birthday is told once a year.
INSERT INTO birthdays (customer_no, year, partner_id, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_no, year) DO NOTHING RETURNING year;

-- name: move_birthdays
-- When the next ones begin.
UPDATE profiles p SET birthday_at = n.birthday_at
FROM unnest($1::bigint[], $2::timestamptz[]) AS n (customer_no, birthday_at) WHERE p.customer_no = n.customer_no;
