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

-- name: end_of_entries
-- The customer with whom a page of the ledger ends.
SELECT customer_no FROM ledger WHERE customer_no > $1 ORDER BY customer_no, number OFFSET $2 LIMIT 1;

-- name: end_of_spendings
-- The event with which a page of what was spent ends.
SELECT event_key FROM ledger WHERE kind = 'spent' AND event_key > $1 ORDER BY event_key OFFSET $2 LIMIT 1;

-- name: end_of_profiles
-- The customer with whom a page of profiles ends.
SELECT customer_no FROM profiles WHERE customer_no > $1 ORDER BY customer_no OFFSET $2 LIMIT 1;

-- name: end_of_partners
-- The last of a page of partners.
SELECT id FROM partners WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1;

-- name: end_of_uses
-- The customer with whom a page of uses ends.
SELECT customer_no FROM coupon_uses WHERE customer_no > $1 ORDER BY customer_no OFFSET $2 LIMIT 1;

-- name: end_of_deliveries
-- The coupon with which a page of deliveries ends.
SELECT coupon_id FROM deliveries WHERE coupon_id > $1 ORDER BY coupon_id, kind OFFSET $2 LIMIT 1;

-- name: end_of_lines
-- The customer with whom a page of deliveries, sorted by customer, ends.
SELECT customer_no FROM deliveries WHERE customer_no > $1 ORDER BY customer_no OFFSET $2 LIMIT 1;

-- name: end_of_history
-- The coupon with which a page of steps ends.
SELECT coupon_id FROM coupon_history WHERE coupon_id > $1 ORDER BY coupon_id, step OFFSET $2 LIMIT 1;

-- name: overlapping
-- Coupons that became active under the single rule while another of the same customer and game was active. A coupon
-- is active from its issue, and from each reinstatement, until it is redeemed, cancelled or expired, the end not
-- included; what began and ended at one instant was in nobody's way. Instants of a wrong clock count as they were mended;
-- a coupon that such a clock has expired was in nobody's way either. The rule of the issue is stored, and that of the
-- latest reinstatement; of an earlier one it is the version that the number of its decision tells, and where staff took
-- the step, what all versions since the issue agree on.
WITH page AS MATERIALIZED (
    SELECT * FROM coupons WHERE customer_no > $1 AND customer_no <= $2
), starts AS (
    SELECT p.*, 0 AS step, coalesce(p.mended_at, p.issued_at) AS began, NOT p.rule_allow_multiple AS single FROM page p
    UNION ALL
    SELECT p.*, h.step, h.at - coalesce((
               SELECT m.shift FROM clock_mends m
               WHERE m.coupon_id = p.id AND h.step <= m.steps AND h.at >= m.from_at AND h.at < m.to_at
               ORDER BY m.operation_id LIMIT 1), '0'),
           CASE WHEN h.is_latest THEN p.holds_single_place
                WHEN h.event_key IS NULL THEN (
                    SELECT NOT bool_or((v.rules ->> 'allow_multiple_active_coupons')::boolean) FROM game_versions v
                    WHERE v.game_id = p.game_id AND v.version >= p.rule_version)
                ELSE (
                    SELECT NOT (v.rules ->> 'allow_multiple_active_coupons')::boolean FROM game_versions v
                    WHERE v.game_id = p.game_id AND coalesce(v.decided_before, 0) < (
                        SELECT d.seq FROM decisions d WHERE d.event_key = h.event_key LIMIT 1)
                    ORDER BY v.version DESC LIMIT 1) END
    FROM page p CROSS JOIN LATERAL (
        SELECT h.step, h.at, h.event_key, h.step = max(h.step) OVER () AS is_latest
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

-- name: issued_twice
-- Orders' decisions that issued several coupons of one game to customers of a page. Of those that no game issued a decision
-- may grant as many as it has reasons to.
SELECT d.event_id, d.event_source, twice.game_id, twice.coupon_ids
FROM (
    SELECT event_key, game_id, array_agg(id ORDER BY id) AS coupon_ids FROM coupons
    WHERE customer_no > $1 AND customer_no <= $2 AND game_id IS NOT NULL
    GROUP BY customer_no, event_key, game_id HAVING count(*) > 1
) AS twice
CROSS JOIN LATERAL (
    SELECT * FROM decisions d WHERE d.event_key = twice.event_key AND d.order_id IS NOT NULL LIMIT 1
) AS d;

-- name: decisions
-- Identity of each decision, the coupon it claims to have issued if that is not there or is another event's, and whether it
-- says what coupons took off an order.
SELECT d.event_key, d.event_id, d.event_source, coalesce(d.program -> 'discounts' <> '[]', false) AS has_discounts,
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
    SELECT c.id, c.event_key, array_remove(ARRAY[
        CASE WHEN d.event_key IS NULL THEN 'I3 has no decision' END,
        CASE WHEN d.order_id IS NULL AND d.event_key IS NOT NULL AND d.coupon_id IS DISTINCT FROM c.id AND c.terms IS NULL
             THEN 'I2 is not the coupon that its decision issued: ' || coalesce(d.coupon_id::text, 'none') END,
        CASE WHEN (d.partner_id, d.customer_no) <> (c.partner_id, c.customer_no)
             THEN 'I3 belongs to another customer than its decision' END,
        CASE WHEN c.terms IS NOT NULL AND d.event_key IS NOT NULL AND d.program_version IS DISTINCT FROM c.program_version
             THEN 'P8 names version ' || c.program_version || ' of the program, and its decision another one' END,
        CASE WHEN c.source_kind = 'campaign' AND d.event_key IS NOT NULL AND NOT EXISTS (
                  SELECT FROM jsonb_array_elements(d.program -> 'campaigns') AS listed (campaign)
                  WHERE campaign ->> 'id' = c.source_id AND campaign ->> 'outcome' = 'achieved')
             THEN 'P8 is of campaign ' || c.source_id || ', and its decision achieved no such campaign' END,
        CASE WHEN c.source_kind = 'tier' AND d.event_key IS NOT NULL
                  AND d.program #> '{tier,before,id}' IS NOT DISTINCT FROM d.program #> '{tier,after,id}'
             THEN 'P8 is of tier ' || c.source_id || ', and its decision reached none' END,
        CASE WHEN c.source_kind = 'referral' AND d.event_key IS NOT NULL AND d.event_type <> 'referral.completed'
                  AND (d.program #>> '{referral,outcome}' IS DISTINCT FROM 'completed' OR c.source_id <> cu.customer_id)
             THEN 'P8 is of the referral of ' || c.source_id || ', and its decision completed no such one' END,
        CASE WHEN c.source_kind = 'redemption' AND d.event_key IS NOT NULL AND d.coupon_id IS DISTINCT FROM c.id
             THEN 'P8 is not the coupon that points were spent on by its decision: ' || coalesce(d.coupon_id::text, 'none')
             WHEN c.source_kind = 'redemption' AND d.event_key IS NOT NULL AND (
                  SELECT count(*) FROM ledger l
                  WHERE l.event_key = c.event_key AND l.kind = 'spent'
                    AND (l.customer_no, l.source_kind, l.source_id) = (c.customer_no, c.source_kind, c.source_id)) <> 1
             THEN 'P8 is of redemption rule ' || c.source_id || ', and its decision has not once spent points on it' END,
        CASE WHEN cu.partner_id IS DISTINCT FROM c.partner_id
             THEN 'I3 belongs to no customer of partner ' || c.partner_id END,
        CASE WHEN d.game_id <> c.game_id
             THEN 'I3 is of game ' || c.game_id || ', and its decision of game ' || d.game_id END,
        CASE WHEN d.order_id IS NOT NULL AND s.event_key IS DISTINCT FROM c.event_key AND c.game_id IS NOT NULL
             THEN 'I3 is of game ' || c.game_id || ', and its order stamped no card of that game' END,
        CASE WHEN r.partner_id IS DISTINCT FROM c.partner_id AND NOT is_of_another_game AND c.game_id IS NOT NULL
             THEN 'I3 names version ' || c.rule_version || ' of game ' || c.game_id
                  || ', which partner ' || c.partner_id || ' never had' END,
        CASE WHEN (r.validity_days, r.allow_multiple)
                  IS DISTINCT FROM (c.rule_validity_days, c.rule_allow_multiple) AND r.game_id IS NOT NULL
                  AND NOT is_of_another_game
             THEN 'I3 stores another rule than version ' || c.rule_version || ' of its game' END,
        CASE WHEN c.expires_at IS DISTINCT FROM coalesce(c.mended_at, c.issued_at) + make_interval(hours => 24 * c.rule_validity_days)
                  AND c.terms IS NULL
             THEN 'I3 expires at another instant than its rule says' END,
        CASE WHEN c.terms IS NOT NULL AND c.expires_at IS DISTINCT FROM ends.at
                  -- Its group may have ended it earlier.
                  AND NOT (c.terms ? 'group' AND c.expires_at < coalesce(ends.at, 'infinity'))
             THEN 'I3 expires at another instant than its terms say' END,
        CASE WHEN c.mended_at IS NOT NULL AND NOT EXISTS (SELECT FROM clock_mends m WHERE m.coupon_id = c.id)
             THEN 'I3 counts its validity from another instant than its issue, and no repair of the clock says so' END,
        CASE WHEN r.code_prefix <> c.code_prefix AND NOT is_of_another_game
             THEN 'I6 has the prefix "' || c.code_prefix || '" instead of "' || r.code_prefix || '"' END,
        CASE WHEN c.terms IS NOT NULL AND c.code_prefix <> coalesce(c.terms ->> 'code_prefix', '')
                  -- A code of ours that a pool gave has the prefix that it was made with.
                  AND (c.code_from IS DISTINCT FROM 'pool' OR c.external_code IS NOT NULL)
             THEN 'I6 has the prefix "' || c.code_prefix || '" instead of "' || coalesce(c.terms ->> 'code_prefix', '') || '"' END
    ], NULL) AS faults
    FROM page c
    LEFT JOIN rules r ON r.game_id = c.game_id AND r.version = c.rule_version
    LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = c.event_key LIMIT 1) AS d ON true
    LEFT JOIN LATERAL (SELECT * FROM customers cu WHERE cu.customer_no = c.customer_no LIMIT 1) AS cu ON true
    LEFT JOIN LATERAL (
        SELECT * FROM order_stamps s
        WHERE s.partner_id = d.partner_id AND s.order_id = d.order_id AND s.game_id = c.game_id LIMIT 1
    ) AS s ON d.order_id IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT coalesce(d.game_id <> c.game_id, false)
            OR d.order_id IS NOT NULL AND s.event_key IS DISTINCT FROM c.event_key AS is_of_another_game
    ) AS games
    CROSS JOIN LATERAL (
        SELECT least(
            coalesce(c.mended_at, c.issued_at) + make_interval(secs => (c.terms ->> 'expires_after_seconds')::double precision),
            (c.terms ->> 'expires_at')::timestamptz) AS at
    ) AS ends
)
SELECT id, event_key, faults, 0::bigint AS coupons FROM judged WHERE faults <> '{}'
UNION ALL
SELECT NULL, NULL, NULL, (SELECT count(*) FROM page);

-- name: prepare_lost
-- Events, and their coupons, that are missing here: a table of this session.
CREATE TEMPORARY TABLE verify_lost (id uuid NOT NULL);

-- name: lose
-- These are.
INSERT INTO verify_lost SELECT unnest($1::uuid[]);

-- name: index_lost
-- Once filled.
CREATE INDEX ON verify_lost (id);

-- name: lost
-- Which of these are.
SELECT named.id FROM unnest($1::uuid[]) AS named (id)
WHERE (SELECT true FROM verify_lost l WHERE l.id = named.id LIMIT 1);

-- name: misdecided
-- Of records, by their number from 1: which have no decision (null is the key of none), and which stand where their
-- decision was made and say something else. $1 to $3 places; $4 keys; $5 to $8 type, partner, customer and game as texts.
-- A topic that was made anew may have a repeat in that place, which is kept as one.
SELECT n.number, d.event_key, d.coupon_id, d.event_key IS NULL AS is_undecided, differs.words
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[])
    WITH ORDINALITY AS n (topic, partition, "offset", event_key, type, partner_id, customer_id, game_id, number)
LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = n.event_key LIMIT 1) AS d ON true
LEFT JOIN LATERAL (
    SELECT customer_id FROM customers cu WHERE cu.customer_no = d.customer_no LIMIT 1
) AS cu ON n.customer_id IS NOT NULL
CROSS JOIN LATERAL (
    SELECT CASE WHEN (n.topic, n.partition, n."offset") = (d.topic, d.partition, d."offset") THEN array_remove(ARRAY[
        CASE WHEN n.type <> d.event_type THEN 'type ' || d.event_type END,
        CASE WHEN n.partner_id <> d.partner_id::text THEN 'partner ' || d.partner_id END,
        CASE WHEN n.customer_id IS DISTINCT FROM cu.customer_id AND n.customer_id IS NOT NULL
             THEN 'customer ' || coalesce(cu.customer_id, 'number ' || d.customer_no) END,
        CASE WHEN n.game_id <> d.game_id::text THEN 'game ' || d.game_id END
    ], NULL) END AS words
) AS differs
WHERE d.event_key IS NULL OR differs.words <> '{}' AND NOT EXISTS (
    SELECT FROM reused_ids u
    WHERE u.topic = n.topic AND u.partition = n.partition AND u."offset" = n."offset" AND u.event_key = n.event_key);

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
SELECT code, count(*) AS times, array_agg(id) AS ids FROM coupons GROUP BY code HAVING count(*) > 1;

-- name: codes
-- The codes of a page.
SELECT id, code FROM coupons WHERE id > $1 AND id <= $2;

-- name: strayed
-- Coupons of a page whose history is no path of the state machine, or does not lead to where they stand: each fault in
-- words. The machine comes as arrays, from the rules themselves. A coupon ends when its validity does: a step that was
-- taken before a repair of the clock moved the end is judged by the end of then.
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
        CASE WHEN w.word <> 'expired' AND w.at >= valid.ends_at
             THEN 'was ' || w.word || ' at ' || w.at || ' in step ' || w.step || ', and its validity ended at ' || valid.ends_at END,
        CASE WHEN w.word = 'expired' AND w.at <> valid.ends_at
             THEN 'expired at ' || w.at || ' in step ' || w.step || ', and its validity ended at ' || valid.ends_at END,
        CASE WHEN w.is_last AND p.id IS NULL THEN 'has a history but does not exist' END,
        CASE WHEN w.is_last AND p.status <> w.status
             THEN 'is ' || p.status || ' but its last step made it ' || w.status END,
        CASE WHEN w.is_last AND p.steps <> w.step
             THEN 'counts ' || p.steps || ' steps but its last is step ' || w.step END
    ], NULL) AS faults
    FROM walk w LEFT JOIN page p ON p.id = w.coupon_id
    LEFT JOIN LATERAL (
        SELECT m.expires_at_was, true AS is_mended FROM clock_mends m
        WHERE m.coupon_id = w.coupon_id AND m.steps >= w.step ORDER BY m.operation_id LIMIT 1
    ) AS mend ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN mend.is_mended THEN mend.expires_at_was ELSE p.expires_at END AS ends_at
    ) AS valid
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
