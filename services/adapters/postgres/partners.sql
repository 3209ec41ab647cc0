-- Partners, their shops and their products.

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

-- name: insert_shop
-- Nothing comes back when there is no such partner.
INSERT INTO shops (partner_id, name) SELECT id, $2 FROM partners WHERE id = $1
RETURNING id;

-- name: list_shops
-- Of one partner, or of all.
SELECT id, partner_id, name, created_at FROM shops WHERE $1::bigint IS NULL OR partner_id = $1 ORDER BY id;

-- name: insert_product
-- Nothing comes back when there is no such partner.
INSERT INTO products (partner_id, name, sku) SELECT id, $2, $3 FROM partners WHERE id = $1
RETURNING id;

-- name: list_products
-- Of one partner, or of all.
SELECT id, partner_id, name, sku, created_at FROM products WHERE $1::bigint IS NULL OR partner_id = $1 ORDER BY id;
