-- A partner's shops and products.

-- name: insert_shop
-- A new shop.
INSERT INTO shops (partner_id, name) VALUES ($1, $2) RETURNING id, partner_id, name, created_at, updated_at;

-- name: shop
-- One of the partner's shops.
SELECT id, partner_id, name, created_at, updated_at FROM shops WHERE partner_id = $1 AND id = $2;

-- name: change_shop
-- The same, about to be changed: whoever else wants to waits.
SELECT id, partner_id, name, created_at, updated_at FROM shops WHERE partner_id = $1 AND id = $2 FOR UPDATE;

-- name: update_shop
-- A shop's whole definition.
UPDATE shops SET name = $3, updated_at = clock_timestamp() WHERE partner_id = $1 AND id = $2 RETURNING id, partner_id, name, created_at, updated_at;

-- name: shops
-- A page of the partner's shops.
SELECT id, partner_id, name, created_at, updated_at FROM shops WHERE partner_id = $1 ORDER BY id OFFSET $2 LIMIT $3;

-- name: count_shops
-- How many there are.
SELECT count(*) FROM shops WHERE partner_id = $1;

-- name: all_shops
-- Of one partner, or of all.
SELECT id, partner_id, name, created_at FROM shops WHERE $1::bigint IS NULL OR partner_id = $1 ORDER BY id;

-- name: unknown_shops
-- Those of the ids that are no shop of the partner.
SELECT named.id FROM unnest($2::bigint[]) AS named (id)
WHERE NOT EXISTS (SELECT FROM shops s WHERE s.id = named.id AND s.partner_id = $1);

-- name: insert_product
-- A new product.
INSERT INTO products (partner_id, name, sku) VALUES ($1, $2, $3) RETURNING id, partner_id, name, sku, created_at, updated_at;

-- name: product
-- One of the partner's products.
SELECT id, partner_id, name, sku, created_at, updated_at FROM products WHERE partner_id = $1 AND id = $2;

-- name: change_product
-- The same, about to be changed.
SELECT id, partner_id, name, sku, created_at, updated_at FROM products WHERE partner_id = $1 AND id = $2 FOR UPDATE;

-- name: update_product
-- A product's whole definition.
UPDATE products SET name = $3, sku = $4, updated_at = clock_timestamp() WHERE partner_id = $1 AND id = $2 RETURNING id, partner_id, name, sku, created_at, updated_at;

-- name: products
-- A page of the partner's products.
SELECT id, partner_id, name, sku, created_at, updated_at FROM products WHERE partner_id = $1 ORDER BY id OFFSET $2 LIMIT $3;

-- name: count_products
-- How many there are.
SELECT count(*) FROM products WHERE partner_id = $1;

-- name: all_products
-- Of one partner, or of all.
SELECT id, partner_id, name, sku, created_at FROM products WHERE $1::bigint IS NULL OR partner_id = $1 ORDER BY id;

-- name: unknown_products
-- Those of the ids that are no product of the partner.
SELECT named.id FROM unnest($2::bigint[]) AS named (id)
WHERE NOT EXISTS (SELECT FROM products p WHERE p.id = named.id AND p.partner_id = $1);
