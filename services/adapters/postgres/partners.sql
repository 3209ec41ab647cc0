-- Partners.

-- name: insert_partner
-- A new partner; keys are kept as digests.
INSERT INTO partners (name, time_zone, store_id, api_key_hash, secret_key_hash, sources) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id;

-- name: list_partners
-- Everybody, oldest first.
SELECT id, name, time_zone, store_id, sources, created_at FROM partners ORDER BY id;

-- name: known_partners
-- Those of the ids that are partners.
SELECT id FROM partners WHERE id = ANY($1::bigint[]);

-- name: set_sources
-- Who may speak for a partner from now on, and who might before.
WITH before AS (SELECT id, sources FROM partners WHERE id = $1 FOR UPDATE)
UPDATE partners p SET sources = $2 FROM before WHERE p.id = before.id RETURNING before.sources AS before;

-- name: sources
-- Who may speak for these partners, where anybody is named.
SELECT id, sources FROM partners WHERE id = ANY($1::bigint[]) AND sources <> '{}';

-- name: partner_of_keys
-- Whose key this is, and whether that partner's secret key came with it; both as digests.
SELECT partner_id, has_secret FROM partner_of_keys($1, $2);

-- name: store_id_of
-- What a partner's own system calls its store.
SELECT store_id FROM partners WHERE id = $1;
