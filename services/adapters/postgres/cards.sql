-- A partner's loyalty cards. A deleted card is kept, and is nobody's any more.

-- name: insert_card
-- A new card.
INSERT INTO cards (partner_id, title, is_active, default_coupon_validity_days, shop_ids, settings)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id, partner_id, title, is_active, default_coupon_validity_days, shop_ids, settings, deleted_at, created_at,
          updated_at;

-- name: card
-- One of the partner's cards.
SELECT id, partner_id, title, is_active, default_coupon_validity_days, shop_ids, settings, deleted_at, created_at,
       updated_at
FROM cards WHERE partner_id = $1 AND id = $2 AND deleted_at IS NULL;

-- name: change_card
-- The same, about to be changed: whoever else wants to waits.
SELECT id, partner_id, title, is_active, default_coupon_validity_days, shop_ids, settings, deleted_at, created_at,
       updated_at
FROM cards WHERE partner_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE;

-- name: update_card
-- A card's whole definition.
UPDATE cards SET title = $3, is_active = $4, default_coupon_validity_days = $5, shop_ids = $6, settings = $7,
                 updated_at = clock_timestamp()
WHERE partner_id = $1 AND id = $2
RETURNING id, partner_id, title, is_active, default_coupon_validity_days, shop_ids, settings, deleted_at, created_at,
          updated_at;

-- name: delete_card
-- From now on it reads as if it had never been there.
UPDATE cards SET deleted_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE partner_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING id;

-- name: page_of_cards
-- A page of the partner's cards; each filter is skipped when null.
SELECT id, title, is_active, default_coupon_validity_days, created_at, updated_at FROM cards
WHERE partner_id = $1 AND deleted_at IS NULL AND ($2::boolean IS NULL OR is_active = $2)
  AND ($3::bigint IS NULL OR $3 = ANY(shop_ids))
ORDER BY id OFFSET $4 LIMIT $5;

-- name: count_cards
-- How many cards the same filters leave.
SELECT count(*) FROM cards
WHERE partner_id = $1 AND deleted_at IS NULL AND ($2::boolean IS NULL OR is_active = $2)
  AND ($3::bigint IS NULL OR $3 = ANY(shop_ids));
