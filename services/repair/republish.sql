-- Coupons whose coupon.issued leaves once more. Planned anew for each run: which index serves depends on the filters.

-- name: game_exists
-- Whether there is such a game.
SELECT EXISTS (SELECT FROM games WHERE id = $1);

-- name: partner_exists
-- Whether there is such a partner.
SELECT EXISTS (SELECT FROM partners WHERE id = $1);

-- name: customer_numbers
-- Everybody of this id, of one partner or of all.
SELECT customer_no FROM customers WHERE customer_id = $1 AND ($2::bigint IS NULL OR partner_id = $2);

-- name: count_coupons
-- How many coupons there are of a game, a partner, customers, a period; each filter is skipped when null.
SELECT count(*) FROM coupons
WHERE id > $1 AND ($2::bigint IS NULL OR game_id = $2) AND ($3::bigint IS NULL OR partner_id = $3)
  AND ($4::bigint[] IS NULL OR customer_no = ANY ($4))
  AND ($5::timestamptz IS NULL OR issued_at >= $5) AND ($6::timestamptz IS NULL OR issued_at < $6);

-- name: coupons
-- A page of them above an id, each with its customer and the event that issued it.
SELECT c.id, c.code, c.code_prefix, c.game_id, c.issued_at, c.expires_at, c.rule_version, c.rule_validity_days,
       c.rule_allow_multiple, c.partner_id, c.source_kind, c.source_id, c.terms, c.program_version, c.external_code,
       c.code_from, cu.customer_id,
       -- Whether its code was to come when it was issued; what was issued before there was a webhook is sent when asked for.
       c.game_id IS NULL AND (c.code_pending OR c.code_from = 'webhook'
           OR EXISTS (SELECT FROM deliveries k WHERE k.coupon_id = c.id AND k.kind = 'issued'))
       AND NOT EXISTS (SELECT FROM webhooks w WHERE w.partner_id = c.partner_id AND w.since > c.issued_at) AS code_was_pending,
       d.event_source, d.event_id, d.event_type, d.traceparent
FROM (
    SELECT * FROM coupons
    WHERE id > $1 AND ($2::bigint IS NULL OR game_id = $2) AND ($3::bigint IS NULL OR partner_id = $3)
      AND ($4::bigint[] IS NULL OR customer_no = ANY ($4))
      AND ($5::timestamptz IS NULL OR issued_at >= $5) AND ($6::timestamptz IS NULL OR issued_at < $6)
    ORDER BY id LIMIT $7
) AS c
LEFT JOIN LATERAL (SELECT * FROM customers WHERE customer_no = c.customer_no LIMIT 1) AS cu ON true
LEFT JOIN LATERAL (SELECT * FROM decisions WHERE event_key = c.event_key LIMIT 1) AS d ON true
ORDER BY c.id;

-- name: rules
-- Games as they were at these versions.
SELECT v.game_id, v.version, v.partner_id, v.rules
FROM unnest($1::bigint[], $2::integer[]) AS named (game_id, version)
JOIN game_versions v USING (game_id, version);
