-- Messages that say something else than the database, by their number from 1. `other`: what no later decision explains;
-- `since`: what a decision does if it was made after the message, is_later: later than the message says, and no earlier
-- than it was published ($4), as far as the clocks of Kafka and Postgres may be apart. An instant is compared as it is
-- written.

-- name: shown_code
-- Stands for :shown_code in the two queries below: a coupon's code as it leaves the house, alone or beside ours (what is shown
-- and what is ours as one text, as `codes_told` has it), each masked too; its terms, as they were told and as they are
-- stored, in one shape; and whether its partner's system was asked for a code: from its issue on or `later`, or once `again`.
CROSS JOIN LATERAL (SELECT CASE c.code_prefix WHEN '' THEN '' ELSE c.code_prefix || '-' END AS prefix) AS named
CROSS JOIN LATERAL (
    SELECT named.prefix || substr(c.code, 1, 4) || '-' || substr(c.code, 5, 4) || '-' || substr(c.code, 9, 4) || '-'
           || substr(c.code, 13) AS code,
           named.prefix || '****-****-****-' || substr(c.code, 13) AS masked
) AS own
CROSS JOIN LATERAL (
    SELECT ARRAY[own.code, own.masked] AS ours,
           ARRAY[c.external_code || ' ' || own.code,
                 '****' || right(c.external_code, least(length(c.external_code) / 2, 4)) || ' ' || own.masked] AS external,
           t.code || coalesce(' ' || t.internal_code, '') AS codes_told,
           nothing_listed || jsonb_strip_nulls(t.terms::jsonb) - 'used_count' AS terms_told,
           nothing_listed || c.terms - '{code_prefix,expires_after_seconds,expires_at,lifetime_of,is_fixed_rate}'::text[] AS terms
    FROM (VALUES ('{"product_ids": [], "collection_ids": [], "platforms": []}'::jsonb)) AS one (nothing_listed)
) AS shown
CROSS JOIN LATERAL (
    SELECT coalesce(c.code_pending OR c.code_from = 'webhook'
                    OR d.coupon_id IS NOT NULL AND c.code_from IS NULL AND c.terms ->> 'type' <> 'custom', false) AS it,
           coalesce(w.since > c.issued_at, false) AS later, coalesce(d.attempts > d.tries, false) AS again
    FROM (VALUES (1)) AS one (row)
    LEFT JOIN LATERAL (SELECT * FROM deliveries d WHERE d.coupon_id = c.id AND d.kind = 'issued' LIMIT 1) AS d ON true
    LEFT JOIN LATERAL (SELECT * FROM webhooks w WHERE w.partner_id = c.partner_id LIMIT 1) AS w ON true
) AS asked;

-- name: issues_told
-- $1 coupons; $2, $3 not used; $4 when; then the fields.
SELECT t.place, c.id IS NULL AS is_unknown, judged.other, judged.since,
       c.issued_at > t.told_at - interval '5 minutes' AND coalesce(d.decided_at = c.issued_at, true)
       AND written.issued_at > t.issued_at COLLATE "C" AS is_later, c.event_key
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
            $17::text[], $18::text[], $19::text[], $20::text[]) WITH ORDINALITY
    AS t (id, number, word, told_at, coupon_id, code, internal_code, code_status, partner_id, game_id, customer_id, issued_at, expires_at,
          source_kind, source_id, program_version, terms, source, event_id, type, place)
LEFT JOIN LATERAL (SELECT * FROM coupons c WHERE c.id = t.id LIMIT 1) AS c ON true
LEFT JOIN LATERAL (SELECT * FROM customers cu WHERE cu.customer_no = c.customer_no LIMIT 1) AS cu ON true
LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = c.event_key LIMIT 1) AS d ON true
:shown_code
CROSS JOIN LATERAL (
    SELECT to_char(c.issued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS issued_at,
           to_char(c.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS expires_at
) AS written
CROSS JOIN LATERAL (
    SELECT array_remove(ARRAY[
               CASE WHEN t.coupon_id IS DISTINCT FROM c.id::text THEN 'coupon' END,
               -- What a partner's system answers comes after the issue.
               CASE WHEN (shown.codes_told = ANY(CASE WHEN c.code_from = 'pool' AND c.external_code IS NOT NULL
                                                      THEN shown.external ELSE shown.ours END)) IS NOT TRUE THEN 'code' END,
               -- An older release says nothing of it.
               CASE WHEN t.code_status = 'pending' AND NOT asked.it OR t.code_status = 'final' AND asked.it AND NOT asked.later
                      OR t.code_status NOT IN ('pending', 'final') THEN 'status of the code' END,
               CASE WHEN t.partner_id IS DISTINCT FROM c.partner_id::text THEN 'partner' END,
               CASE WHEN t.game_id IS DISTINCT FROM c.game_id::text THEN 'game' END,
               CASE WHEN t.customer_id IS DISTINCT FROM cu.customer_id THEN 'customer' END,
               -- What an older release told says nothing of where a game's coupon comes from.
               CASE WHEN c.game_id IS NULL OR t.source_kind IS NOT NULL THEN
                   CASE WHEN (t.source_kind, t.source_id) IS DISTINCT FROM
                             (coalesce(c.source_kind, 'game'), coalesce(c.source_id, c.game_id::text)) THEN 'source'
                        WHEN t.program_version IS DISTINCT FROM c.program_version::text THEN 'version of the program'
                        WHEN shown.terms_told IS DISTINCT FROM shown.terms THEN 'terms' END END,
               CASE WHEN (t.source, t.event_id, t.type) IS DISTINCT FROM (d.event_source, d.event_id, d.event_type)
                     AND d.event_key IS NOT NULL THEN 'cause' END
           ], NULL) AS other,
           array_remove(ARRAY[
               CASE WHEN t.issued_at IS DISTINCT FROM written.issued_at THEN 'instant of issue' END,
               CASE WHEN t.expires_at IS DISTINCT FROM written.expires_at
                     AND t.expires_at IS DISTINCT FROM to_char(
                         (c.issued_at + make_interval(hours => 24 * c.rule_validity_days)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                    THEN 'end' END
           ], NULL) AS since
) AS judged
WHERE c.id IS NULL OR judged.other <> '{}' OR judged.since <> '{}';

-- name: steps_told
-- $1 coupons, $2 steps, $3 words, $4 when; then the fields. A notice of a coming end is no step, and nobody keeps that it was
-- sent; nor is a code that a partner's system gave, which is shown from then on: as far as the clocks of who writes both may
-- be apart, either is right, and what time has done may be told later than it happened.
SELECT t.place, c.id IS NULL OR NOT noted.it AS is_unknown, judged.other, judged.since,
       h.at > t.told_at - interval '5 minutes'
       AND written.at > t.at COLLATE "C" AS is_later, c.event_key
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
            $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[]) WITH ORDINALITY
    AS t (id, number, word, told_at, coupon_id, code, internal_code, code_status, external_code, partner_id, game_id, customer_id, status, at, order_id, shop_id, reason,
          source_kind, source_id, program_version, terms, source, event_id, type, place)
LEFT JOIN LATERAL (SELECT * FROM coupons c WHERE c.id = t.id LIMIT 1) AS c ON true
LEFT JOIN LATERAL (SELECT * FROM customers cu WHERE cu.customer_no = c.customer_no LIMIT 1) AS cu ON true
LEFT JOIN LATERAL (SELECT * FROM coupon_history h WHERE h.coupon_id = t.id AND h.step = t.number LIMIT 1) AS h
    ON t.word NOT IN ('expiring', 'delivered')
LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = h.event_key LIMIT 1) AS d ON h.event_key IS NOT NULL
LEFT JOIN LATERAL (
    SELECT d.delivered_at AS at FROM deliveries d WHERE d.coupon_id = c.id AND d.kind = 'issued' LIMIT 1
) AS given ON c.code_from = 'webhook'
CROSS JOIN LATERAL (
    SELECT CASE t.word WHEN 'expiring' THEN true WHEN 'delivered' THEN coalesce(c.code_from = 'webhook', false)
           ELSE h.step IS NOT NULL END AS it
) AS noted
:shown_code
CROSS JOIN LATERAL (SELECT to_char(h.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at) AS written
CROSS JOIN LATERAL (
    SELECT array_remove(ARRAY[
               CASE WHEN t.coupon_id IS DISTINCT FROM c.id::text THEN 'coupon' END,
               CASE WHEN (shown.codes_told = ANY(CASE
                        WHEN c.external_code IS NULL THEN shown.ours
                        WHEN c.code_from = 'pool' OR t.word = 'delivered' OR h.at > given.at + interval '1 minute' THEN shown.external
                        WHEN h.at < given.at - interval '1 minute' AND h.word NOT IN ('expired', 'released') THEN shown.ours
                        ELSE shown.ours || shown.external END)) IS NOT TRUE
                     OR t.external_code IS DISTINCT FROM CASE t.word WHEN 'delivered' THEN t.code END THEN 'code' END,
               -- Of what is dead, or comes later, ours is final for a while, and to come again.
               CASE WHEN t.code_status = 'pending' AND (t.internal_code IS NOT NULL OR NOT asked.it)
                      OR t.code_status = 'final' AND t.internal_code IS NULL AND c.code_pending AND NOT asked.later AND NOT asked.again
                      OR t.code_status NOT IN ('pending', 'final') THEN 'status of the code' END,
               CASE WHEN t.partner_id IS DISTINCT FROM c.partner_id::text THEN 'partner' END,
               CASE WHEN t.game_id IS DISTINCT FROM c.game_id::text THEN 'game' END,
               CASE WHEN t.customer_id IS DISTINCT FROM cu.customer_id THEN 'customer' END,
               -- What an older release told says nothing of where a game's coupon comes from.
               CASE WHEN c.game_id IS NULL OR t.source_kind IS NOT NULL THEN
                   CASE WHEN (t.source_kind, t.source_id) IS DISTINCT FROM
                             (coalesce(c.source_kind, 'game'), coalesce(c.source_id, c.game_id::text)) THEN 'source'
                        WHEN t.program_version IS DISTINCT FROM c.program_version::text THEN 'version of the program'
                        WHEN shown.terms_told IS DISTINCT FROM shown.terms THEN 'terms' END END
           ], NULL) AS other,
           CASE WHEN h.step IS NULL THEN '{}' ELSE array_remove(ARRAY[
               CASE WHEN t.word <> h.word THEN 'step (' || h.word || ')' END,
               CASE WHEN t.status IS DISTINCT FROM h.status THEN 'status' END,
               CASE WHEN t.at IS DISTINCT FROM written.at THEN 'instant' END,
               CASE WHEN t.order_id IS DISTINCT FROM h.order_id THEN 'order' END,
               CASE WHEN t.shop_id IS DISTINCT FROM h.shop_id::text THEN 'shop' END,
               CASE WHEN t.reason IS DISTINCT FROM h.reason AND t.source_kind IS NOT NULL THEN 'reason' END,
               CASE WHEN (t.source, t.event_id, t.type) IS DISTINCT FROM (d.event_source, d.event_id, d.event_type)
                     AND (h.event_key IS NULL OR d.event_key IS NOT NULL) THEN 'cause' END
           ], NULL) END AS since
) AS judged
WHERE c.id IS NULL OR NOT noted.it OR judged.other <> '{}' OR judged.since <> '{}';

-- name: declines_told
-- $1 keys of events, $2 games, $3 not used, $4 when; then the fields. An order names no game: its stamp does.
SELECT t.place, d.event_key IS NULL AS is_unknown, judged.other, judged.since,
       d.decided_at > t.told_at - interval '5 minutes'
       AND written.decided_at > t.decided_at COLLATE "C" AS is_later, d.event_key
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::text[]) WITH ORDINALITY
    AS t (id, number, word, told_at, partner_id, game_id, customer_id, reason, blocking_coupon_id, decided_at,
          source, event_id, type, place)
LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = t.id LIMIT 1) AS d ON true
LEFT JOIN LATERAL (SELECT * FROM customers cu WHERE cu.customer_no = d.customer_no LIMIT 1) AS cu ON true
LEFT JOIN LATERAL (
    SELECT * FROM order_stamps s
    WHERE s.partner_id = d.partner_id AND s.order_id = d.order_id AND s.game_id = t.number LIMIT 1
) AS s ON d.order_id IS NOT NULL
CROSS JOIN LATERAL (SELECT to_char(d.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS decided_at) AS written
CROSS JOIN LATERAL (
    SELECT array_remove(ARRAY[
               CASE WHEN t.partner_id IS DISTINCT FROM d.partner_id::text THEN 'partner' END,
               CASE WHEN t.game_id IS DISTINCT FROM t.number::text OR d.game_id <> t.number THEN 'game' END,
               CASE WHEN t.customer_id IS DISTINCT FROM cu.customer_id THEN 'customer' END,
               CASE WHEN (t.source, t.event_id, t.type) IS DISTINCT FROM (d.event_source, d.event_id, d.event_type)
                    THEN 'cause' END
           ], NULL) AS other,
           array_remove(ARRAY[
               CASE WHEN d.order_id IS NULL AND d.outcome <> 'declined' THEN 'outcome (' || d.outcome || ')' END,
               CASE WHEN d.order_id IS NOT NULL AND s.event_key IS DISTINCT FROM t.id THEN 'outcome (no stamp)' END,
               CASE WHEN d.outcome = 'declined' AND t.reason IS DISTINCT FROM d.reason THEN 'reason (' || d.reason || ')' END,
               CASE WHEN d.outcome = 'declined' AND t.blocking_coupon_id IS DISTINCT FROM d.blocking_coupon_id::text
                    THEN 'blocking coupon' END,
               CASE WHEN t.decided_at IS DISTINCT FROM written.decided_at THEN 'instant' END
           ], NULL) AS since
) AS judged
WHERE d.event_key IS NULL OR judged.other <> '{}' OR judged.since <> '{}';

-- name: program_told
-- $1 keys of events, $2 numbers, $3 words, $4 when; then the fields. What time alone did is of no decision, and has an
-- instant of its own; and points are held against their entries. Early decisions keep neither who was rewarded nor how many
-- coupons could not be issued: there it is enough that there may have been some.
SELECT t.place, d.event_key IS NULL OR NOT made.it AS is_unknown, judged.other, judged.since,
       d.decided_at > t.told_at - interval '5 minutes'
       AND written.decided_at > t.at COLLATE "C" AS is_later, d.event_key
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[]) WITH ORDINALITY
    AS t (id, number, word, told_at, partner_id, customer_id, program_version, at, source, event_id, type, place)
LEFT JOIN LATERAL (SELECT * FROM decisions d WHERE d.event_key = t.id LIMIT 1) AS d ON true
LEFT JOIN LATERAL (SELECT * FROM customers cu WHERE cu.customer_no = d.customer_no LIMIT 1) AS cu ON true
CROSS JOIN LATERAL (SELECT to_char(d.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS decided_at) AS written
CROSS JOIN LATERAL (
    SELECT d.event_type = 'referral.completed' OR d.program #>> '{referral,outcome}' = 'completed'
           OR d.program #> '{tier,before,id}' IS DISTINCT FROM d.program #> '{tier,after,id}'
           OR d.program -> 'campaigns' @> '[{"outcome": "achieved"}]' AS it
) AS grants
CROSS JOIN LATERAL (SELECT d.outcome = 'declined' AND d.game_id IS NULL AND t.number = -3 AS it) AS redeems
CROSS JOIN LATERAL (
    SELECT coalesce(CASE t.word
        WHEN 'changed' THEN d.program #> '{tier,before,id}' IS DISTINCT FROM d.program #> '{tier,after,id}'
        WHEN 'achieved' THEN EXISTS (
            SELECT FROM jsonb_array_elements(d.program -> 'campaigns') AS listed (campaign)
            WHERE campaign ->> 'id' = t.number::text AND campaign ->> 'outcome' = 'achieved')
        WHEN 'revoked' THEN EXISTS (
            SELECT FROM purchases p CROSS JOIN LATERAL jsonb_array_elements(p.achievements) AS listed (done)
            WHERE p.partner_id = d.partner_id AND p.order_id = d.order_id AND p.customer_no = d.customer_no AND p.is_closed
              AND done ->> 'campaign_id' = t.number::text)
        WHEN 'rewarded' THEN coalesce(
            d.program ->> 'rewarded' = CASE t.number WHEN -1 THEN 'customer' ELSE 'friend' END,
            CASE t.number WHEN -1 THEN d.event_type = 'referral.completed' ELSE d.program #>> '{referral,outcome}' = 'completed' END)
        WHEN 'declined' THEN coalesce((d.program ->> 'declined')::integer >= -2 - t.number, grants.it OR redeems.it)
        ELSE true END, false) AS it
) AS made
CROSS JOIN LATERAL (
    SELECT array_remove(ARRAY[
               CASE WHEN t.partner_id IS DISTINCT FROM d.partner_id::text THEN 'partner' END,
               CASE WHEN t.customer_id IS DISTINCT FROM cu.customer_id THEN 'customer' END,
               CASE WHEN (t.source, t.event_id, t.type) IS DISTINCT FROM (d.event_source, d.event_id, d.event_type)
                    THEN 'cause' END
           ], NULL) AS other,
           array_remove(ARRAY[
               CASE WHEN t.program_version IS DISTINCT FROM d.program_version::text THEN 'version of the program' END,
               CASE WHEN t.word <> 'expired' AND t.at IS DISTINCT FROM written.decided_at THEN 'instant' END
           ], NULL) AS since
) AS judged
WHERE NOT (t.word = 'expiring' OR t.word = 'expired' AND t.number < 0)
  AND (d.event_key IS NULL OR NOT made.it OR judged.other <> '{}' OR judged.since <> '{}');

-- name: switched_off_told
-- $1 numbers of partners as ids, $2 versions of their programs, $3 and $4 not used; then the fields.
SELECT t.place, v.version IS NULL AS is_unknown, judged.other, '{}'::text[] AS since, false AS is_later, NULL AS event_key
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[]) WITH ORDINALITY
    AS t (id, number, word, told_at, partner_id, at, reason, place)
LEFT JOIN LATERAL (
    SELECT v.version, v.partner_id, v.sections -> 'coupon' AS coupon FROM program_versions v
    WHERE v.partner_id = ('x' || right(replace(t.id::text, '-', ''), 16))::bit(64)::bigint AND v.version = t.number
      AND v.actor = 'webhook' LIMIT 1
) AS v ON true
CROSS JOIN LATERAL (
    SELECT array_remove(ARRAY[
               CASE WHEN t.partner_id IS DISTINCT FROM v.partner_id::text THEN 'partner' END,
               CASE WHEN t.at IS DISTINCT FROM to_char((v.coupon ->> 'disabledAt')::timestamptz AT TIME ZONE 'UTC',
                                                       'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') THEN 'instant' END,
               CASE WHEN t.reason IS DISTINCT FROM v.coupon ->> 'disabledReason' THEN 'reason' END
           ], NULL) AS other
) AS judged
WHERE v.version IS NULL OR judged.other <> '{}';

-- name: not_ours
-- $1 ids, $2 numbers, $3 words, $4 not used; then the fields: of what stands where we tell ourselves something, what does not
-- follow from a referral that is completed, or from a birthday.
SELECT t.place
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[]) WITH ORDINALITY
    AS t (id, number, word, told_at, partner_id, customer_id, friend_id, year, place)
LEFT JOIN LATERAL (SELECT d.customer_no FROM decisions d WHERE d.event_key = t.id LIMIT 1) AS d ON t.word = 'completed'
LEFT JOIN LATERAL (SELECT * FROM profiles p WHERE p.customer_no = d.customer_no AND p.referral_key = t.id LIMIT 1) AS p ON true
LEFT JOIN LATERAL (SELECT * FROM customers f WHERE f.customer_no = p.customer_no LIMIT 1) AS f ON true
LEFT JOIN LATERAL (
    SELECT * FROM birthdays b
    WHERE b.customer_no = ('x' || right(replace(t.id::text, '-', ''), 16))::bit(64)::bigint AND b.year = t.number LIMIT 1
) AS b ON t.word = 'birthday'
LEFT JOIN LATERAL (SELECT * FROM customers c WHERE c.customer_no = b.customer_no LIMIT 1) AS c ON true
WHERE CASE t.word
    WHEN 'completed' THEN (t.partner_id, t.customer_id, t.friend_id)
         IS DISTINCT FROM (f.partner_id::text, p.referred_by, f.customer_id)
    ELSE (t.partner_id, t.customer_id, t.year) IS DISTINCT FROM (c.partner_id::text, c.customer_id, b.year::text) END;
