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
-- Customers nobody else is working on, of the birthdays noted first from $4 on but for those of $3; with the instant for
-- which the first of them all was noted, also if somebody else is at it.
SELECT cu.customer_no, due.first_at
FROM (
    SELECT customer_no, min(birthday_at) OVER () AS first_at
    FROM (
        SELECT customer_no, birthday_at FROM profiles
        WHERE birthday_at <= $1::timestamptz AND birthday_at >= $4::timestamptz AND customer_no <> ALL ($3::bigint[])
        ORDER BY birthday_at LIMIT $2
    ) AS first_ones
) AS due
JOIN customers cu USING (customer_no)
ORDER BY cu.partner_id, cu.customer_id
FOR UPDATE OF cu SKIP LOCKED;

-- name: birthdays_begun
-- Read again after the lock: a customer may have told of another day until then.
SELECT c.partner_id, c.customer_id, c.customer_no, p.birthday, p.birthday_at, g.version AS program_version, g.time_zone
FROM profiles p
JOIN customers c USING (customer_no)
JOIN programs g ON g.partner_id = c.partner_id
WHERE p.customer_no = ANY($1::bigint[]) AND p.birthday_at <= $2::timestamptz
ORDER BY p.birthday_at, p.customer_no;

-- name: tell_birthdays
-- A birthday is told once a year.
INSERT INTO birthdays (customer_no, year, partner_id, at)
SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::timestamptz[])
ON CONFLICT (customer_no, year) DO NOTHING RETURNING customer_no;

-- name: move_birthdays
-- When the next ones begin.
UPDATE profiles p SET birthday_at = n.birthday_at
FROM unnest($1::bigint[], $2::timestamptz[]) AS n (customer_no, birthday_at) WHERE p.customer_no = n.customer_no;
