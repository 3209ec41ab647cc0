-- What was published against what is stored, a topic at a time. Look-ups by key stand in LATERAL sub-queries.

-- name: begin_topic
-- What a topic has, and what it should have and has not: tables of this session.
CREATE TEMPORARY TABLE verify_told (id uuid NOT NULL, number bigint NOT NULL, again boolean NOT NULL, said text);
CREATE TEMPORARY TABLE verify_missing (
    id uuid NOT NULL, number bigint NOT NULL, ce_id text NOT NULL, customer_no bigint, at timestamptz, PRIMARY KEY (id, number));

-- name: index_topic
-- Once filled: an index kept up row by row costs twice as much.
CREATE INDEX ON verify_told (id, number);

-- name: end_topic
-- On to the next one.
DROP TABLE verify_told, verify_missing;

-- name: expect_issues
-- Coupons of a page that the topic should have and has not, as far as it goes back ($3); how many are older than that.
WITH page AS MATERIALIZED (
    SELECT c.id, c.customer_no, coalesce(c.mended_at, c.issued_at) AS at FROM coupons c WHERE c.id > $1 AND c.id <= $2
), missing AS (
    INSERT INTO verify_missing
    SELECT p.id, 0, p.id || '.issued', p.customer_no, p.at FROM page p
    WHERE ($3::timestamptz IS NULL OR p.at > $3)
      AND (SELECT true FROM verify_told t WHERE t.id = p.id AND t.number = 0 LIMIT 1) IS NULL
)
SELECT count(*) FROM page WHERE at <= $3;

-- name: expect_steps
-- The same of the steps of coupons. When a step of a wrong clock was really taken is not known.
WITH page AS MATERIALIZED (
    SELECT h.coupon_id, h.step, h.word, CASE WHEN NOT EXISTS (
               SELECT FROM clock_mends m WHERE m.coupon_id = h.coupon_id AND m.steps >= h.step) THEN h.at ELSE '-infinity' END AS at
    FROM coupon_history h WHERE h.coupon_id > $1 AND h.coupon_id <= $2
), missing AS (
    INSERT INTO verify_missing
    SELECT p.coupon_id, p.step, p.coupon_id || '.' || p.step || '.' || p.word,
           (SELECT c.customer_no FROM coupons c WHERE c.id = p.coupon_id LIMIT 1), p.at
    FROM page p
    WHERE ($3::timestamptz IS NULL OR p.at > $3)
      AND (SELECT true FROM verify_told t WHERE t.id = p.coupon_id AND t.number = p.step LIMIT 1) IS NULL
    ON CONFLICT DO NOTHING -- a step taken twice is the matter of another check
)
SELECT count(*) FROM page WHERE at <= $3;

-- name: expect_deliveries
-- The same of codes that partners' systems gave to coupons of a page, which are no steps.
WITH page AS MATERIALIZED (
    SELECT d.coupon_id, d.customer_no, d.delivered_at AS at FROM deliveries d
    WHERE d.coupon_id > $1 AND d.coupon_id <= $2 AND d.kind = 'issued' AND d.delivered_at IS NOT NULL
      AND (SELECT c.code_from = 'webhook' FROM coupons c WHERE c.id = d.coupon_id LIMIT 1)
), missing AS (
    INSERT INTO verify_missing
    SELECT p.coupon_id, -1, p.coupon_id || '.delivered', p.customer_no, p.at FROM page p
    WHERE ($3::timestamptz IS NULL OR p.at > $3)
      AND (SELECT true FROM verify_told t WHERE t.id = p.coupon_id AND t.number = -1 LIMIT 1) IS NULL
)
SELECT count(*) FROM page WHERE at <= $3;

-- name: expect_declines
-- The same of completions that were declined. A clock that is ahead says nothing of when that was.
WITH page AS MATERIALIZED (
    SELECT d.event_key, d.game_id, d.customer_no,
           CASE WHEN d.decided_at < now() + interval '1 day' THEN d.decided_at ELSE '-infinity' END AS at
    FROM decisions d
    WHERE d.event_key > $1 AND d.event_key <= $2 AND d.outcome = 'declined' AND d.game_id IS NOT NULL
), missing AS (
    INSERT INTO verify_missing
    SELECT p.event_key, p.game_id, p.event_key || '.declined.' || p.game_id, p.customer_no, p.at FROM page p
    WHERE ($3::timestamptz IS NULL OR p.at > $3)
      AND (SELECT true FROM verify_told t WHERE t.id = p.event_key AND t.number = p.game_id LIMIT 1) IS NULL
    ON CONFLICT DO NOTHING -- an event decided twice is the matter of another check
)
SELECT count(*) FROM page WHERE at <= $3;

-- name: expect_declines_of_cards
-- The same of full cards that earned no coupon: the last stamp of a card filled it. Reads all stamps.
WITH filled AS MATERIALIZED (
    SELECT DISTINCT ON (s.customer_no, s.game_id, s.card_no) s.customer_no, s.game_id, s.event_key, d.decided_at AS at
    FROM order_stamps s
    JOIN stamp_cards k ON k.customer_no = s.customer_no AND k.game_id = s.game_id AND k.card_no > s.card_no
    CROSS JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = s.event_key LIMIT 1) AS d
    WHERE NOT s.taken_back
    ORDER BY s.customer_no, s.game_id, s.card_no, d.seq DESC
), declined AS MATERIALIZED (
    SELECT f.* FROM filled f WHERE NOT EXISTS (
        SELECT FROM coupons c WHERE c.customer_no = f.customer_no AND c.event_key = f.event_key AND c.game_id = f.game_id)
), missing AS (
    INSERT INTO verify_missing
    SELECT p.event_key, p.game_id, p.event_key || '.declined.' || p.game_id, p.customer_no, p.at FROM declined p
    WHERE ($1::timestamptz IS NULL OR p.at > $1)
      AND (SELECT true FROM verify_told t WHERE t.id = p.event_key AND t.number = p.game_id LIMIT 1) IS NULL
)
SELECT count(*) FROM declined WHERE at <= $1;

-- name: expect_entries
-- The same of entries that move points, of customers after $1 up to $2: an entry is the n-th of its decision. Ends that time
-- alone has brought have names of their own, see `expect_of_time`.
WITH entries AS MATERIALIZED (
    SELECT l.event_key, row_number() OVER decision AS n, l.kind, l.points, l.customer_no, l.at,
           l.kind = 'expired' AND NOT bool_or(l.kind = 'restored') OVER decision AS is_of_time
    FROM ledger l WHERE l.customer_no > $1 AND l.customer_no <= $2 AND l.event_key IS NOT NULL
    WINDOW decision AS (PARTITION BY l.customer_no, l.event_key ORDER BY l.number)
), page AS MATERIALIZED (
    SELECT * FROM entries WHERE points <> 0 AND NOT is_of_time
), missing AS (
    INSERT INTO verify_missing
    SELECT p.event_key, p.n, p.event_key || '.' || p.n || '.' || p.kind, p.customer_no, p.at FROM page p
    WHERE ($3::timestamptz IS NULL OR p.at > $3)
      AND (SELECT true FROM verify_told t WHERE t.id = p.event_key AND t.number = p.n LIMIT 1) IS NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM page WHERE at <= $3;

-- name: entries_told_otherwise
-- Entries of customers after $1 up to $2 that subscribers were told of otherwise, at the same instant; and of events that made
-- some, what was told as an entry and is none that moves points: without a number.
WITH entries AS MATERIALIZED (
    SELECT l.customer_no, l.number, l.event_key, l.points,
           row_number() OVER (PARTITION BY l.customer_no, l.event_key ORDER BY l.number) AS n,
           l.kind || '|' || to_char(l.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS began,
           concat_ws('|', '', abs(l.points), l.balance, l.source_kind, l.source_id) || '|'
           || coalesce(to_char(CASE WHEN l.kind = 'earned' THEN l.expires_at END AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '')
           || '|' || coalesce(l.order_id, '') || '|' || coalesce(trim_scale(l.base_points)::text, '')
           || '|' || coalesce(trim_scale(l.factor)::text, '') AS rest
    FROM ledger l WHERE l.customer_no > $1 AND l.customer_no <= $2 AND l.event_key IS NOT NULL
)
SELECT e.event_key, e.n AS place, e.customer_no, e.number FROM entries e
WHERE e.points <> 0 AND EXISTS (
    SELECT FROM verify_told t WHERE t.id = e.event_key AND t.number = e.n
      AND starts_with(t.said, e.began || '|') AND t.said <> e.began || e.rest)
UNION ALL
SELECT e.event_key, t.number, e.customer_no, NULL
FROM (SELECT DISTINCT event_key, customer_no FROM entries) AS e
CROSS JOIN LATERAL (SELECT DISTINCT t.number FROM verify_told t WHERE t.id = e.event_key AND t.number > 0) AS t
WHERE NOT EXISTS (SELECT FROM entries m WHERE m.event_key = e.event_key AND m.n = t.number AND m.points <> 0);

-- name: entries_of_time
-- Ends of lots of customers after $1 up to $2 that time alone has brought, whoever noticed, and what is told of each; except
-- what was told as the n-th entry of its decision, as the first releases did.
WITH entries AS MATERIALIZED (
    SELECT l.customer_no, l.partner_id, l.number, l.event_key, (l.takes -> 0 ->> 0)::bigint AS lot, l.at, l.kind,
           bool_or(l.kind = 'restored') OVER decision AS gave_back, row_number() OVER decision AS n,
           concat_ws('|', l.kind, to_char(l.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), abs(l.points), l.balance,
                     l.source_kind, l.source_id) || '||||' AS said
    FROM ledger l WHERE l.customer_no > $1 AND l.customer_no <= $2
    WINDOW decision AS (PARTITION BY l.customer_no, l.event_key ORDER BY l.number)
)
SELECT e.customer_no, e.lot, e.number, e.partner_id, cu.customer_id, e.at, e.said
FROM entries e
CROSS JOIN LATERAL (SELECT customer_id FROM customers cu WHERE cu.customer_no = e.customer_no LIMIT 1) AS cu
WHERE e.kind = 'expired' AND NOT e.gave_back AND e.lot IS NOT NULL
  AND NOT EXISTS (SELECT FROM verify_told t WHERE t.id = e.event_key AND t.number = e.n AND starts_with(t.said, 'expired|'));

-- name: begin_time
-- Messages that time alone leads to: a table of this session.
CREATE TEMPORARY TABLE verify_of_time (id uuid PRIMARY KEY, customer_no bigint, at timestamptz, said text);

-- name: expect_of_time
-- Those of a page that the topic should have and has not; how many are older than it goes back ($5). In the first releases
-- the sweeper told them under other ids ($6), which stand where they were told.
WITH page AS MATERIALIZED (
    INSERT INTO verify_of_time
    SELECT coalesce((SELECT t.id FROM verify_told t WHERE t.id = early AND t.number = -1 LIMIT 1), id), customer_no, at, said
    FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $6::uuid[]) AS page (id, customer_no, at, said, early)
    ON CONFLICT DO NOTHING RETURNING *
), missing AS (
    INSERT INTO verify_missing
    SELECT p.id, -1, p.id || '.' || split_part(p.said, '|', 1), p.customer_no, p.at FROM page p
    WHERE ($5::timestamptz IS NULL OR p.at > $5)
      AND (SELECT true FROM verify_told t WHERE t.id = p.id AND t.number = -1 LIMIT 1) IS NULL
)
SELECT count(*) FROM page WHERE at <= $5;

-- name: of_no_time
-- Messages of ends that time has brought, of which there is no such end, or another one.
SELECT t.id, o.customer_no FROM verify_told t LEFT JOIN verify_of_time o ON o.id = t.id
WHERE t.number = -1 AND (o.id IS NULL OR o.said <> t.said) ORDER BY t.id LIMIT $1;

-- name: end_time
-- On to the next kind.
DROP TABLE verify_of_time;

-- name: expect_of_ledger
-- The same of achievements that count no more, which the entry that takes their order off the meter tells.
WITH page AS MATERIALIZED (
    SELECT l.event_key, (done ->> 'campaign_id')::bigint AS number,
           'revoked.' || (done ->> 'campaign_id') || '.' || (done ->> 'achievement') AS rest, l.customer_no, l.at
    FROM ledger l
    CROSS JOIN LATERAL (
        SELECT p.achievements FROM purchases p
        WHERE p.partner_id = l.partner_id AND p.order_id = l.order_id AND p.customer_no = l.customer_no LIMIT 1
    ) AS p
    CROSS JOIN LATERAL jsonb_array_elements(p.achievements) AS listed (done)
    WHERE l.customer_no > $1 AND l.customer_no <= $2 AND l.event_key IS NOT NULL AND l.kind = 'reversed' AND l.orders < 0
), missing AS (
    INSERT INTO verify_missing
    SELECT p.event_key, p.number, p.event_key || '.' || p.rest, p.customer_no, p.at FROM page p
    WHERE ($3::timestamptz IS NULL OR p.at > $3)
      AND (SELECT true FROM verify_told t WHERE t.id = p.event_key AND t.number = p.number LIMIT 1) IS NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM page WHERE at <= $3;

-- name: expect_follow_ups
-- The same of what we tell ourselves: completed referrals, to who brought the friend, and birthdays.
WITH page AS MATERIALIZED (
    SELECT p.referral_key AS id, 0 AS number, p.referral_key || '.referral' AS ce_id, r.customer_no, d.decided_at AS at
    FROM profiles p
    CROSS JOIN LATERAL (SELECT d.decided_at FROM decisions d WHERE d.event_key = p.referral_key LIMIT 1) AS d
    CROSS JOIN LATERAL (
        SELECT r.customer_no FROM customers r WHERE r.partner_id = p.partner_id AND r.customer_id = p.referred_by LIMIT 1
    ) AS r
    WHERE p.customer_no > $1 AND p.customer_no <= $2 AND p.referral_key IS NOT NULL
    UNION ALL
    SELECT lpad(to_hex(b.customer_no), 32, '0')::uuid, b.year, b.customer_no || '.' || b.year || '.birthday', b.customer_no, b.at
    FROM birthdays b WHERE b.customer_no > $1 AND b.customer_no <= $2
), missing AS (
    INSERT INTO verify_missing
    SELECT p.* FROM page p
    WHERE ($3::timestamptz IS NULL OR p.at > $3)
      AND (SELECT true FROM verify_told t WHERE t.id = p.id AND t.number = p.number LIMIT 1) IS NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM page WHERE at <= $3;

-- name: expect_switched_off
-- The same of webhooks that were switched off by who called them, to their partners.
WITH page AS MATERIALIZED (
    SELECT lpad(to_hex(v.partner_id), 32, '0')::uuid AS id, v.version AS number,
           v.partner_id || '.' || v.version || '.disabled' AS ce_id, NULL::bigint AS customer_no, v.at
    FROM program_versions v WHERE v.partner_id > $1 AND v.partner_id <= $2 AND v.actor = 'webhook'
), missing AS (
    INSERT INTO verify_missing
    SELECT p.* FROM page p
    WHERE ($3::timestamptz IS NULL OR p.at > $3)
      AND (SELECT true FROM verify_told t WHERE t.id = p.id AND t.number = p.number LIMIT 1) IS NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM page WHERE at <= $3;

-- name: expect_of_program
-- The same of achievements, of changes of tier, of who was rewarded for a referral, and of coupons that could not be issued,
-- by what decisions keep of the program; what is declined and of no game were points to be redeemed, which is told without a
-- program too. A clock that is ahead says nothing of when that was.
WITH decided AS MATERIALIZED (
    SELECT d.event_key, d.customer_no, d.program,
           coalesce((d.program ->> 'declined')::integer, (d.outcome = 'declined' AND d.game_id IS NULL)::integer) AS declined,
           CASE WHEN d.decided_at < now() + interval '1 day' THEN d.decided_at ELSE '-infinity' END AS at
    FROM decisions d
    WHERE d.event_key > $1 AND d.event_key <= $2
      AND (d.program IS NOT NULL OR d.outcome = 'declined' AND d.game_id IS NULL)
), page AS MATERIALIZED (
    SELECT event_key, 0 AS number, 'tier' AS rest, customer_no, at FROM decided
    WHERE program #> '{tier,before,id}' IS DISTINCT FROM program #> '{tier,after,id}'
    UNION ALL
    SELECT event_key, (campaign ->> 'id')::bigint, 'achieved.' || (campaign ->> 'id'), customer_no, at
    FROM decided CROSS JOIN LATERAL jsonb_array_elements(program -> 'campaigns') AS listed (campaign)
    WHERE campaign ->> 'outcome' = 'achieved'
    UNION ALL
    SELECT event_key, CASE program ->> 'rewarded' WHEN 'customer' THEN -1 ELSE -2 END, 'rewarded.' || (program ->> 'rewarded'),
           customer_no, at
    FROM decided WHERE program ? 'rewarded'
    UNION ALL
    SELECT event_key, -2 - n, 'reward.' || n, customer_no, at
    FROM decided CROSS JOIN LATERAL generate_series(1, declined) AS n
), missing AS (
    INSERT INTO verify_missing
    SELECT p.event_key, p.number, p.event_key || '.' || p.rest, p.customer_no, p.at FROM page p
    WHERE ($3::timestamptz IS NULL OR p.at > $3)
      AND (SELECT true FROM verify_told t WHERE t.id = p.event_key AND t.number = p.number LIMIT 1) IS NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM page WHERE at <= $3;

-- name: missing_page
-- A page of what is missing after ($1, $2): whose partition (a partner's, of what is about no customer) it belongs to, and which event it tells of if of any.
SELECT m.id, m.number, m.ce_id, m.at, m.customer_no, d.event_id, d.event_source,
       coalesce(cu.customer_id, substring(m.ce_id FROM '^([0-9]+)[.][0-9]+[.]disabled$')) AS customer_id
FROM verify_missing m
LEFT JOIN LATERAL (SELECT customer_id FROM customers cu WHERE cu.customer_no = m.customer_no LIMIT 1) AS cu ON true
LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = m.id LIMIT 1) AS d ON true
WHERE (m.id, m.number) > ($1::uuid, $2::bigint)
ORDER BY m.id, m.number LIMIT $3;

-- name: not_missing
-- These are not.
DELETE FROM verify_missing m USING unnest($1::uuid[], $2::bigint[]) AS n (id, number)
WHERE m.id = n.id AND m.number = n.number;

-- name: drop_queued
-- Nor are those whose event still waits to be published. One that Kafka refused for good does not.
DELETE FROM verify_missing m USING outbox o WHERE o.ce_id = m.ce_id AND o.refused IS NULL;

-- name: some_accounts
-- Whether a program has ever been set, or an account has moved without one.
SELECT EXISTS (SELECT FROM program_versions) OR EXISTS (SELECT FROM wallets) OR EXISTS (SELECT FROM profiles);

-- name: some_missing
-- Whether anything is left to look for.
SELECT EXISTS (SELECT FROM verify_missing);

-- name: told_twice
-- What was published more than once, though nobody asked for it.
SELECT id, number, count(*) AS times FROM verify_told WHERE NOT again
GROUP BY id, number HAVING count(*) > 1 ORDER BY id, number LIMIT $1;

-- name: was_promoted
-- Whether this server was a standby once, or was recovered to some moment: it began a new line of its history then.
SELECT timeline_id > 1 FROM pg_control_checkpoint();
