-- Partners.

-- name: insert_partner
-- A new partner; keys are kept as digests.
INSERT INTO partners (name, time_zone, store_id, api_key_hash, secret_key_hash) VALUES ($1, $2, $3, $4, $5)
RETURNING id;

-- name: list_partners
-- Everybody, oldest first.
SELECT id, name, time_zone, store_id, created_at FROM partners ORDER BY id;

-- name: known_partners
-- Those of the ids that are partners.
SELECT id FROM partners WHERE id = ANY($1::bigint[]);
