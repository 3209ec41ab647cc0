-- Games: reading and changing their definitions, and closing what would contradict a change. Columns are named, so that a
-- newer release may add some while statements are prepared.

-- name: keep_other_changes_out
-- A file of games is loaded alone: nobody else adds or changes games until the commit. Issuers go on sharing rows.
LOCK TABLE games IN SHARE ROW EXCLUSIVE MODE;

-- name: games
-- Definitions by id, as stored.
SELECT id, partner_id, version, name, description, game_type, reward_description, is_active,
       allow_multiple_active_coupons, coupon_validity_days, product_ids, start_date, end_date, stamps_required,
       customer_limit, customer_limit_per_day, customer_limit_per_week, customer_limit_per_month, total_limit,
       quota_epoch, code_prefix, created_at, updated_at
FROM games WHERE id = ANY($1::bigint[]);

-- name: list_games
-- Definitions in the order of their ids; each filter is skipped when null.
SELECT id, partner_id, version, name, description, game_type, reward_description, is_active,
       allow_multiple_active_coupons, coupon_validity_days, product_ids, start_date, end_date, stamps_required,
       customer_limit, customer_limit_per_day, customer_limit_per_week, customer_limit_per_month, total_limit,
       quota_epoch, code_prefix, created_at, updated_at
FROM games
WHERE ($1::bigint IS NULL OR partner_id = $1)
  AND ($2::boolean IS NULL OR is_active = $2)
  AND ($3::text IS NULL OR game_type = $3)
ORDER BY id;

-- name: lock_games
-- Keep these games as they are until the commit: a batch that shares their rows waits, and then sees the change.
SELECT id, allow_multiple_active_coupons FROM games WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE;

-- name: reserve_ids
-- Move the sequence past an id that somebody chose. Only under keep_other_changes_out.
SELECT setval('games_id_seq', greatest($1::bigint, last_value)) FROM games_id_seq;

-- name: insert_game
-- A new game; without an id the sequence gives one.
INSERT INTO games (id, partner_id, name, description, game_type, reward_description, is_active,
                   allow_multiple_active_coupons, coupon_validity_days, product_ids, start_date, end_date,
                   stamps_required, customer_limit, customer_limit_per_day, customer_limit_per_week,
                   customer_limit_per_month, total_limit, code_prefix)
VALUES (coalesce($1::bigint, nextval('games_id_seq')), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
        $17, $18, $19)
RETURNING id, partner_id, version, name, description, game_type, reward_description, is_active,
          allow_multiple_active_coupons, coupon_validity_days, product_ids, start_date, end_date, stamps_required,
          customer_limit, customer_limit_per_day, customer_limit_per_week, customer_limit_per_month, total_limit,
          quota_epoch, code_prefix, created_at, updated_at;

-- name: update_game
-- A game's whole definition. A trigger counts the version up if anything differs.
UPDATE games SET name = $2, description = $3, game_type = $4, reward_description = $5, is_active = $6,
                 allow_multiple_active_coupons = $7, coupon_validity_days = $8, product_ids = $9, start_date = $10,
                 end_date = $11, stamps_required = $12, customer_limit = $13, customer_limit_per_day = $14,
                 customer_limit_per_week = $15, customer_limit_per_month = $16, total_limit = $17, code_prefix = $18
WHERE id = $1
RETURNING id, partner_id, version, name, description, game_type, reward_description, is_active,
          allow_multiple_active_coupons, coupon_validity_days, product_ids, start_date, end_date, stamps_required,
          customer_limit, customer_limit_per_day, customer_limit_per_week, customer_limit_per_month, total_limit,
          quota_epoch, code_prefix, created_at, updated_at;

-- name: active_coupons
-- How many coupons of a game are active at an instant, and how many customers hold them. Locks nothing.
SELECT active_coupons_count, affected_customers FROM active_coupons($1, $2);

-- name: take_time
-- How long a statement of this transaction may take from now on, in milliseconds; returns how long it might before.
SELECT current_setting('statement_timeout') AS before, set_config('statement_timeout', $1, true);

-- name: coupons_that_count
-- How many coupons count towards a game's limit, looked for up to $2 of them.
SELECT coupons_that_count($1, $2);

-- name: limit_without_counting
-- The largest limit there is, where none was: from now on what is issued is taken from shares.
UPDATE games SET total_limit = 2147483647 WHERE id = ANY($1::bigint[]) AND total_limit IS NULL;

-- name: unlimit
-- As it was before.
UPDATE games SET total_limit = NULL WHERE id = ANY($1::bigint[]) AND total_limit = 2147483647;

-- name: tell_issued_before
-- For the trigger that shares out the next limit: how many coupons count that were not taken from this game's shares. One
-- statement, so one snapshot, in which the difference is what it is in every other.
SELECT set_config('couponry.issued_before_' || g.id,
                  (coupons_that_count(g.id, NULL) - taken_from_shares(g.id, g.quota_epoch, g.total_limit))::text, true)
FROM games g WHERE g.id = $1;

-- name: keep_files_out
-- Until the commit nobody loads a file of games. Issuers and other requests go on.
LOCK TABLE games IN ROW EXCLUSIVE MODE;

-- name: change_alone
-- Until the commit no other request changes this game. Issuers go on: the game's row is locked only in the end.
SELECT pg_advisory_xact_lock(hashtextextended('couponry.game', $1));

-- name: shown_game
-- One of the partner's games, with what is shown beside its definition.
SELECT g.id, g.partner_id, g.version, g.name, g.description, g.game_type, g.reward_description, g.is_active,
       g.allow_multiple_active_coupons, g.coupon_validity_days, g.product_ids, g.start_date, g.end_date,
       g.stamps_required, g.customer_limit, g.customer_limit_per_day, g.customer_limit_per_week,
       g.customer_limit_per_month, g.total_limit, g.quota_epoch, g.code_prefix, g.created_at, g.updated_at,
       p.time_zone, c.players, c.cards_begun, c.completions
FROM games g JOIN partners p ON p.id = g.partner_id LEFT JOIN game_counters c ON c.game_id = g.id
WHERE g.partner_id = $1 AND g.id = $2;

-- name: page_of_games
-- A page of the partner's games; each filter is skipped when null.
SELECT g.id, g.name, g.game_type, g.is_active, g.allow_multiple_active_coupons, g.coupon_validity_days,
       coalesce(c.players, 0) AS total_players, g.created_at
FROM games g LEFT JOIN game_counters c ON c.game_id = g.id
WHERE g.partner_id = $1 AND ($2::boolean IS NULL OR g.is_active = $2) AND ($3::text IS NULL OR g.game_type = $3)
ORDER BY g.id OFFSET $4 LIMIT $5;

-- name: count_games
-- How many games the same filters leave.
SELECT count(*) FROM games
WHERE partner_id = $1 AND ($2::boolean IS NULL OR is_active = $2) AND ($3::text IS NULL OR game_type = $3);

-- name: time_zone
-- The partner's.
SELECT time_zone FROM partners WHERE id = $1;
