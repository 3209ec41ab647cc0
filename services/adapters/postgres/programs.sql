-- Partners' programs, and every version that one has had.

-- name: programs
-- The programs of these partners, as they are.
SELECT partner_id, version, revision, sections, cards, time_zone, default_rule_id,
       EXISTS (SELECT FROM webhooks w WHERE w.partner_id = programs.partner_id) AS has_had_webhook
FROM programs WHERE partner_id = ANY($1::bigint[]);

-- name: revision_of
-- The revision that a program is at.
SELECT revision FROM programs WHERE partner_id = $1;

-- name: currency_of
-- The currency that a partner's program counts in; null: any, at par.
SELECT sections #>> '{settings, currency}' FROM programs WHERE partner_id = $1;

-- name: lock_program
-- Keep a program as it is until the commit: who shares its row waits, and then sees the change. At which revision it is.
SELECT revision FROM programs WHERE partner_id = $1 FOR UPDATE;

-- name: program_item_ids
-- So many ids that no item has been given.
SELECT nextval('program_item_ids') AS id FROM generate_series(1, $1::integer);

-- name: save_program
-- A program's next version, kept for ever.
WITH saved AS (
    UPDATE programs SET sections = $2, version = version + 1, revision = revision + 1, updated_at = clock_timestamp()
    WHERE partner_id = $1
    RETURNING partner_id, version, sections, cards, time_zone
)
INSERT INTO program_versions (partner_id, version, actor, changed, sections, cards, time_zone)
SELECT partner_id, version, $3, $4::text[], sections, cards, time_zone FROM saved
RETURNING version;

-- name: program_version
-- A program as it was at one of its versions.
SELECT v.partner_id, v.version, 0::bigint AS revision, v.sections, v.cards, v.time_zone, p.default_rule_id
FROM program_versions v JOIN programs p USING (partner_id) WHERE v.partner_id = $1 AND v.version = $2;

-- name: program_versions
-- Who changed what of a program, the oldest first.
SELECT version, at, actor, changed FROM program_versions WHERE partner_id = $1 ORDER BY version;

-- name: rules_since
-- Since when a program has had its redemption rules.
SELECT (rule ->> 'id')::bigint AS id, min(v.at) AS at
FROM program_versions v CROSS JOIN LATERAL jsonb_array_elements(v.sections -> 'redemption' -> 'rules') AS rule
WHERE v.partner_id = $1 AND 'redemption' = ANY(v.changed)
GROUP BY 1;
