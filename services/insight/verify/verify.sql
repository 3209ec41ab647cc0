-- The invariants, page by page. Look-ups by key stand in LATERAL sub-queries or scalar ones: the planner cannot turn
-- those into joins that read whole tables. Queries that return only faults end with a row that counts what was read.

-- name: missing_protections
-- Those of the names that are neither a valid constraint nor a valid unique index of ours.
SELECT named.name FROM unnest($1::text[]) AS named (name)
WHERE NOT EXISTS (
        SELECT FROM pg_constraint c
        WHERE c.conname = named.name AND c.connamespace = 'couponry'::regnamespace AND c.convalidated)
  AND NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relname = named.name AND c.relnamespace = 'couponry'::regnamespace
          AND i.indisunique AND i.indisvalid AND i.indislive);

-- name: end_of_customers
-- The customer with which a page of coupons, sorted by customer, ends; nothing on the last page.
SELECT customer_no FROM coupons WHERE customer_no > $1 ORDER BY customer_no OFFSET $2 LIMIT 1;

-- name: end_of_decisions
-- The last key of a page of decisions.
SELECT event_key FROM decisions WHERE event_key > $1 ORDER BY event_key OFFSET $2 LIMIT 1;

-- name: end_of_coupons
-- The last id of a page of coupons.
SELECT id FROM coupons WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1;

-- name: overlapping
-- Coupons that became active under the single rule while another of the same customer and game was active. A coupon
-- is active from its issue, and from each reinstatement, until it is redeemed, cancelled or expired, the end not
-- included; what began and ended at one instant was in nobody's way. Instants of a wrong clock count as they were mended;
-- a coupon that such a clock has expired was in nobody's way either. The rule of the issue is stored, and that of the
-- latest reinstatement; an earlier one is judged if its game never had another rule.
WITH page AS MATERIALIZED (
    SELECT * FROM coupons WHERE customer_no > $1 AND customer_no <= $2
), starts AS (
    SELECT p.*, 0 AS step, coalesce(p.mended_at, p.issued_at) AS began, NOT p.rule_allow_multiple AS single FROM page p
    UNION ALL
    SELECT p.*, h.step, h.at - coalesce((
               SELECT m.shift FROM clock_mends m
               WHERE m.coupon_id = p.id AND h.step <= m.steps AND h.at >= m.from_at AND h.at < m.to_at
               ORDER BY m.operation_id LIMIT 1), '0'),
           CASE WHEN h.is_latest THEN p.holds_single_place ELSE NOT EXISTS (
               SELECT FROM game_versions v
               WHERE v.game_id = p.game_id AND (v.rules ->> 'allow_multiple_active_coupons')::boolean) END
    FROM page p CROSS JOIN LATERAL (
        SELECT h.step, h.at, h.step = max(h.step) OVER () AS is_latest
        FROM coupon_history h WHERE h.coupon_id = p.id AND h.word = 'reinstated') AS h
    WHERE p.steps > 1
), spans AS (
    SELECT s.customer_no, s.game_id, s.id, s.began, s.single,
           coalesce(least(s.expires_at, CASE WHEN s.steps > 0 THEN (
               SELECT coalesce((
                   SELECT CASE WHEN h.word = 'expired' THEN s.began ELSE h.at - m.shift END FROM clock_mends m
                   WHERE m.coupon_id = s.id AND h.step <= m.steps
                     AND (h.at >= m.from_at AND h.at < m.to_at OR h.word = 'expired' AND h.at > m.mended_at)
                   ORDER BY m.operation_id LIMIT 1), h.at)
               FROM coupon_history h
               WHERE h.coupon_id = s.id AND h.step > s.step AND h.status NOT IN ('active', 'reserved')
               ORDER BY h.step LIMIT 1) END), 'infinity') AS ended
    FROM starts s
), side_by_side AS (
    SELECT customer_no, game_id, id, began, single,
           max(ended) OVER (
               PARTITION BY customer_no, game_id ORDER BY began, ended > began, single, id
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS busy_until
    FROM spans
)
SELECT id, customer_no, game_id, began::text, busy_until::text, 0::bigint AS coupons
FROM side_by_side WHERE single AND busy_until > began
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, (SELECT count(*) FROM page);

-- name: decided_twice
-- Events with more than one decision. Reads the whole table.
SELECT event_id, event_source, count(*) AS times FROM decisions GROUP BY event_id, event_source HAVING count(*) > 1;

-- name: decisions
-- Identity of each decision, and the coupon it claims to have issued if that is not there or is another event's.
SELECT d.event_key, d.event_id, d.event_source,
       CASE WHEN d.coupon_id IS NOT NULL AND (
           SELECT c.event_key FROM coupons c WHERE c.id = d.coupon_id LIMIT 1) IS DISTINCT FROM d.event_key
       THEN d.coupon_id END AS missing_coupon
FROM decisions d
WHERE d.event_key > $1 AND d.event_key <= $2;

-- name: unaccounted
-- Coupons at odds with what they refer to: each fault in words, the invariant before it.
WITH page AS MATERIALIZED (
    SELECT * FROM coupons WHERE id > $1 AND id <= $2
), rules AS MATERIALIZED (
    -- Once per game and version, not per coupon: the stored rules hold the game's whole description.
    SELECT v.game_id, v.version, v.partner_id, v.rules ->> 'code_prefix' AS code_prefix,
           (v.rules ->> 'coupon_validity_days')::integer AS validity_days,
           (v.rules ->> 'allow_multiple_active_coupons')::boolean AS allow_multiple
    FROM (SELECT DISTINCT game_id, rule_version FROM page) AS named
    JOIN game_versions v ON v.game_id = named.game_id AND v.version = named.rule_version
), judged AS (
    SELECT c.id, array_remove(ARRAY[
        CASE WHEN d.event_key IS NULL THEN 'I3 has no decision' END,
        CASE WHEN d.game_id IS NOT NULL AND d.coupon_id IS DISTINCT FROM c.id
             THEN 'I2 is not the coupon that its decision issued: ' || coalesce(d.coupon_id::text, 'none') END,
        CASE WHEN (d.partner_id, d.customer_no) <> (c.partner_id, c.customer_no)
             THEN 'I3 belongs to another customer than its decision' END,
        CASE WHEN d.game_id <> c.game_id
             THEN 'I3 is of game ' || c.game_id || ' but its decision of game ' || d.game_id END,
        CASE WHEN cu.partner_id IS DISTINCT FROM c.partner_id
             THEN 'I3 belongs to no customer of partner ' || c.partner_id END,
        CASE WHEN r.partner_id IS DISTINCT FROM c.partner_id
             THEN 'I3 names version ' || c.rule_version || ' of game ' || c.game_id
                  || ', which partner ' || c.partner_id || ' never had' END,
        CASE WHEN (r.validity_days, r.allow_multiple)
                  IS DISTINCT FROM (c.rule_validity_days, c.rule_allow_multiple) AND r.game_id IS NOT NULL
             THEN 'I3 stores another rule than version ' || c.rule_version || ' of its game' END,
        CASE WHEN c.expires_at IS DISTINCT FROM coalesce(c.mended_at, c.issued_at) + make_interval(hours => 24 * c.rule_validity_days)
             THEN 'I3 expires at another instant than its rule says' END,
        CASE WHEN c.mended_at IS NOT NULL AND NOT EXISTS (SELECT FROM clock_mends m WHERE m.coupon_id = c.id)
             THEN 'I3 counts its validity from another instant than its issue, and no repair of the clock says so' END,
        CASE WHEN r.code_prefix <> c.code_prefix
             THEN 'I6 has the prefix "' || c.code_prefix || '" instead of "' || r.code_prefix || '"' END
    ], NULL) AS faults
    FROM page c
    LEFT JOIN rules r ON r.game_id = c.game_id AND r.version = c.rule_version
    LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = c.event_key LIMIT 1) AS d ON true
    LEFT JOIN LATERAL (SELECT * FROM customers cu WHERE cu.customer_no = c.customer_no LIMIT 1) AS cu ON true
)
SELECT id, faults, 0::bigint AS coupons FROM judged WHERE faults <> '{}'
UNION ALL
SELECT NULL, NULL, (SELECT count(*) FROM page);

-- name: prepare_publication
-- What a topic has, and which messages it has not: tables of this session. A message is known by a digest of its `ce_id`.
CREATE TEMPORARY TABLE IF NOT EXISTS verify_published (message uuid NOT NULL, republished boolean NOT NULL);
CREATE TEMPORARY TABLE IF NOT EXISTS verify_unseen (
    message uuid PRIMARY KEY, ce_id text NOT NULL, customer_no bigint NOT NULL, at timestamptz NOT NULL);
TRUNCATE verify_published, verify_unseen;
DROP INDEX IF EXISTS verify_published_message;

-- name: index_publication
-- Once filled: an index kept up row by row costs twice as much.
CREATE INDEX verify_published_message ON verify_published (message);

-- name: unseen_issues
-- Coupons of a page whose coupon.issued the topic has not: from $3 on kept for a second look, the older ones counted.
WITH unseen AS MATERIALIZED (
    SELECT md5(c.id::text || '.issued')::uuid AS message, c.id::text || '.issued' AS ce_id, c.customer_no, c.issued_at AS at
    FROM coupons c
    WHERE c.id > $1 AND c.id <= $2
      AND (SELECT true FROM verify_published p WHERE p.message = md5(c.id::text || '.issued')::uuid LIMIT 1) IS NULL
), kept AS (
    INSERT INTO verify_unseen SELECT * FROM unseen WHERE at > $3
)
SELECT count(*) FROM unseen WHERE at <= $3;

-- name: unseen_steps
-- The same of the steps of these coupons, each of which is told.
WITH told AS MATERIALIZED (
    SELECT h.coupon_id::text || '.' || h.step || '.' || h.word AS ce_id, h.coupon_id, h.at
    FROM coupon_history h WHERE h.coupon_id > $1 AND h.coupon_id <= $2
), unseen AS MATERIALIZED (
    SELECT md5(t.ce_id)::uuid AS message, t.ce_id, c.customer_no, t.at
    FROM told t JOIN LATERAL (SELECT c.customer_no FROM coupons c WHERE c.id = t.coupon_id LIMIT 1) AS c ON true
    WHERE (SELECT true FROM verify_published p WHERE p.message = md5(t.ce_id)::uuid LIMIT 1) IS NULL
), kept AS (
    INSERT INTO verify_unseen SELECT * FROM unseen WHERE at > $3
)
SELECT count(*) FROM unseen WHERE at <= $3;

-- name: unseen_declines
-- The same of the decisions of a page that declined a completion.
WITH told AS MATERIALIZED (
    SELECT d.event_key::text || '.declined.' || d.game_id AS ce_id, d.customer_no, d.decided_at AS at
    FROM decisions d WHERE d.event_key > $1 AND d.event_key <= $2 AND d.outcome = 'declined'
), unseen AS MATERIALIZED (
    SELECT md5(t.ce_id)::uuid AS message, t.ce_id, t.customer_no, t.at
    FROM told t
    WHERE (SELECT true FROM verify_published p WHERE p.message = md5(t.ce_id)::uuid LIMIT 1) IS NULL
), kept AS (
    INSERT INTO verify_unseen SELECT * FROM unseen WHERE at > $3
)
SELECT count(*) FROM unseen WHERE at <= $3;

-- name: drop_queued
-- Those that still wait to be published. One that Kafka refused for good does not.
DELETE FROM verify_unseen u USING outbox o
WHERE o.topic = $1 AND o.ce_id IS NOT NULL AND o.refused IS NULL AND md5(o.ce_id)::uuid = u.message;

-- name: seen
-- The topic has these after all.
DELETE FROM verify_unseen WHERE message = ANY($1::uuid[]);

-- name: some_unseen
-- Whether anything is left to look for.
SELECT EXISTS (SELECT FROM verify_unseen);

-- name: unseen
-- The messages that are neither published nor queued, with the customer whose id is their key, by page.
SELECT u.message, u.ce_id, u.at, c.customer_id
FROM verify_unseen u JOIN LATERAL (
    SELECT c.customer_id FROM customers c WHERE c.customer_no = u.customer_no LIMIT 1) AS c ON true
WHERE u.message > $1 ORDER BY u.message LIMIT $2;

-- name: published_twice
-- Messages that stand in the topic more than once, without those that were asked for again.
SELECT message FROM verify_published WHERE NOT republished GROUP BY message HAVING count(*) > 1 LIMIT $1;

-- name: went_back
-- When the database was found to know less than it did: a standby that lagged, or a backup.
SELECT noticed_at FROM went_back ORDER BY noticed_at;

-- name: rewarded_twice
-- Orders of a page of customers that earned more than one coupon of a game.
WITH doubled AS MATERIALIZED (
    SELECT event_key, game_id, count(*) AS times FROM coupons
    WHERE customer_no > $1 AND customer_no <= $2 GROUP BY customer_no, event_key, game_id HAVING count(*) > 1
)
SELECT d.event_id, d.event_source, x.game_id, x.times
FROM doubled x JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = x.event_key LIMIT 1) AS d ON d.game_id IS NULL;

-- name: games_with_limits
-- Games that have or had a limit per customer, and the zone in which their days begin, if it was the same ever since.
SELECT v.game_id, CASE WHEN bool_and(v.rules ->> 'time_zone' = p.time_zone) THEN z.name END AS time_zone
FROM game_versions v JOIN partners p ON p.id = v.partner_id
LEFT JOIN LATERAL (SELECT t.name FROM pg_timezone_names t WHERE t.name = p.time_zone LIMIT 1) AS z ON true
WHERE v.game_id IN (
    SELECT w.game_id FROM game_versions w
    WHERE coalesce(w.rules ->> 'customer_limit', w.rules ->> 'customer_limit_per_day',
                   w.rules ->> 'customer_limit_per_week', w.rules ->> 'customer_limit_per_month') IS NOT NULL)
GROUP BY v.game_id, z.name;

-- name: beyond_limits
-- Coupons of a page of customers that are one too many under the version of their game that issued them. $3: games with
-- limits, $4: their zones. Counted are coupons that were not cancelled by then; a cancelled one leaves the day, week and
-- month of its issue.
WITH issued AS MATERIALIZED (
    SELECT c.id, c.customer_no, c.game_id, c.rule_version, c.status, c.issued_at,
           c.issued_at AT TIME ZONE named.zone AS locally
    FROM coupons c JOIN unnest($3::bigint[], $4::text[]) AS named (game_id, zone) USING (game_id)
    WHERE c.customer_no > $1 AND c.customer_no <= $2
), moves AS (
    SELECT i.*, i.issued_at AS at, 1 AS change FROM issued i
    UNION ALL
    SELECT i.*, h.at, -1 FROM issued i CROSS JOIN LATERAL (
        SELECT h.at FROM coupon_history h WHERE h.coupon_id = i.id AND h.word = 'cancelled' LIMIT 1) AS h
    WHERE i.status = 'cancelled'
), counts AS (
    SELECT m.*,
           sum(change) OVER (PARTITION BY customer_no, game_id ORDER BY at, change, rule_version, id) AS ever,
           sum(change) OVER (PARTITION BY customer_no, game_id, date_trunc('day', locally)
                             ORDER BY at, change, rule_version, id) AS that_day,
           sum(change) OVER (PARTITION BY customer_no, game_id, date_trunc('week', locally)
                             ORDER BY at, change, rule_version, id) AS that_week,
           sum(change) OVER (PARTITION BY customer_no, game_id, date_trunc('month', locally)
                             ORDER BY at, change, rule_version, id) AS that_month
    FROM moves m
), limits AS MATERIALIZED (
    SELECT v.game_id, v.version, (v.rules ->> 'customer_limit')::integer AS ever,
           (v.rules ->> 'customer_limit_per_day')::integer AS per_day,
           (v.rules ->> 'customer_limit_per_week')::integer AS per_week,
           (v.rules ->> 'customer_limit_per_month')::integer AS per_month
    FROM game_versions v WHERE v.game_id = ANY($3::bigint[])
)
SELECT c.id, c.customer_no, c.game_id, c.rule_version,
       CASE WHEN c.ever > l.ever THEN c.ever || ' where ' || l.ever || ' may be'
            WHEN c.that_day > l.per_day THEN c.that_day || ' on a day where ' || l.per_day || ' may be'
            WHEN c.that_week > l.per_week THEN c.that_week || ' in a week where ' || l.per_week || ' may be'
            ELSE c.that_month || ' in a month where ' || l.per_month || ' may be' END AS count
FROM counts c JOIN limits l ON l.game_id = c.game_id AND l.version = c.rule_version
WHERE c.change = 1 AND (c.ever > l.ever OR c.locally IS NOT NULL AND (
    c.that_day > l.per_day OR c.that_week > l.per_week OR c.that_month > l.per_month));

-- name: quotas
-- Games with a total limit whose coupons, and what they may still issue, do not add up to it.
SELECT * FROM (
    SELECT g.id, g.total_limit,
           (SELECT count(*) FROM coupons c WHERE c.game_id = g.id AND c.status <> 'cancelled') AS issued,
           (SELECT coalesce(sum(q.remaining), 0) FROM game_quota q WHERE q.game_id = g.id AND q.epoch = g.quota_epoch) AS remaining,
           (SELECT coalesce(sum(d.debt), 0) FROM game_quota_debt d WHERE d.game_id = g.id AND d.epoch = g.quota_epoch) AS owed
    FROM games g WHERE g.total_limit IS NOT NULL) AS counted
WHERE issued + remaining - owed <> total_limit AND total_limit < 2147483647 -- which stands for one not counted yet
ORDER BY id;

-- name: stamps
-- Cards that count other stamps than orders have given them. Reads both tables whole.
SELECT s.customer_no, s.game_id, s.stamps, coalesce(o.given, 0) AS given
FROM stamp_cards s LEFT JOIN (
    SELECT customer_no, game_id, card_no, count(*) AS given FROM order_stamps WHERE NOT taken_back GROUP BY 1, 2, 3
) AS o USING (customer_no, game_id, card_no)
WHERE s.stamps <> coalesce(o.given, 0) ORDER BY 1, 2 LIMIT $1;

-- name: decided
-- Of these keys, by their number from 1, what each one's decision says; no row for a key without one. Null is the key of none.
SELECT named.number, d.topic, d.partition, d."offset", d.partner_id, c.customer_id
FROM unnest($1::uuid[]) WITH ORDINALITY AS named (event_key, number)
JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = named.event_key LIMIT 1) AS d ON true
LEFT JOIN LATERAL (SELECT c.customer_id FROM customers c WHERE c.customer_no = d.customer_no LIMIT 1) AS c ON true;

-- name: not_dead
-- Which of these records have no dead letter, and do not wait.
SELECT named.topic, named.partition, named."offset"
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS named (topic, partition, "offset")
WHERE (SELECT true FROM dead_letters l
       WHERE l.topic = named.topic AND l.partition = named.partition AND l."offset" = named."offset" LIMIT 1) IS NULL
  AND (SELECT true FROM waiting_records w
       WHERE w.topic = named.topic AND w.partition = named.partition AND w."offset" = named."offset" LIMIT 1) IS NULL;

-- name: codes_used_twice
-- Codes of more than one coupon. Reads the whole table.
SELECT code, count(*) AS times FROM coupons GROUP BY code HAVING count(*) > 1;

-- name: codes
-- The codes of a page.
SELECT id, code FROM coupons WHERE id > $1 AND id <= $2;

-- name: strayed
-- Coupons of a page whose history is no path of the state machine, or does not lead to where they stand: each fault in
-- words. The machine comes as arrays, from the rules themselves.
WITH page AS MATERIALIZED (
    SELECT id, status, steps, expires_at FROM coupons WHERE id > $1 AND id <= $2
), walk AS MATERIALIZED (
    SELECT h.coupon_id, h.step, h.at, h.word, h.was, h.status,
           lag(h.status, 1, 'active') OVER path AS stood, lag(h.step, 1, 0) OVER path AS came_from,
           h.step = max(h.step) OVER (PARTITION BY h.coupon_id) AS is_last
    FROM coupon_history h WHERE h.coupon_id > $1 AND h.coupon_id <= $2
    WINDOW path AS (PARTITION BY h.coupon_id ORDER BY h.step)
), machine AS MATERIALIZED (
    SELECT * FROM unnest($3::text[], $4::text[], $5::text[]) AS allowed (was, word, status)
), steps AS (
    SELECT w.coupon_id AS id, array_remove(ARRAY[
        CASE WHEN w.step <> w.came_from + 1 THEN 'has step ' || w.step || ' after step ' || w.came_from END,
        CASE WHEN w.was <> w.stood THEN 'left ' || w.was || ' in step ' || w.step || ' but stood at ' || w.stood END,
        CASE WHEN NOT EXISTS (SELECT FROM machine m WHERE (m.was, m.word, m.status) = (w.was, w.word, w.status))
             THEN 'was ' || w.word || ' from ' || w.was || ' to ' || w.status || ' in step ' || w.step
                  || ', which no coupon may' END,
        CASE WHEN w.word <> 'expired' AND w.at >= p.expires_at AND NOT EXISTS (
                 SELECT FROM clock_mends m WHERE m.coupon_id = w.coupon_id AND w.step <= m.steps)
             THEN 'was ' || w.word || ' in step ' || w.step || ' at ' || w.at::text || ', after its end' END,
        CASE WHEN w.is_last AND p.id IS NULL THEN 'has a history but does not exist' END,
        CASE WHEN w.is_last AND p.status <> w.status
             THEN 'is ' || p.status || ' but its last step made it ' || w.status END,
        CASE WHEN w.is_last AND p.steps <> w.step
             THEN 'counts ' || p.steps || ' steps but its last is step ' || w.step END
    ], NULL) AS faults
    FROM walk w LEFT JOIN page p ON p.id = w.coupon_id
), unmoved AS (
    SELECT p.id, ARRAY['is ' || p.status || ' after ' || p.steps || ' steps, none of which is in its history'] AS faults
    FROM page p
    WHERE (p.status <> 'active' OR p.steps <> 0)
      AND (SELECT true FROM coupon_history h WHERE h.coupon_id = p.id LIMIT 1) IS NULL
)
SELECT id, faults, 0::bigint AS coupons FROM (SELECT * FROM steps UNION ALL SELECT * FROM unmoved) AS found
WHERE faults <> '{}'
UNION ALL
SELECT NULL, NULL, (SELECT count(*) FROM page);
