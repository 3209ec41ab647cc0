-- Shares of games with a total limit, see game_quota in the first migration.

-- name: left
-- What each game has left. Nothing left is final: what is uncommitted elsewhere can only take away.
SELECT q.game_id, sum(q.remaining)::bigint AS remaining
FROM games g JOIN game_quota q ON q.game_id = g.id AND q.epoch = g.quota_epoch
WHERE g.id = ANY($1::bigint[]) GROUP BY q.game_id;

-- name: free_shares
-- Lock a game's shares that nobody else holds, in an order of this batch's own.
SELECT q.epoch, q.share, q.remaining
FROM games g JOIN game_quota q ON q.game_id = g.id AND q.epoch = g.quota_epoch
WHERE g.id = $1 AND q.remaining > 0
ORDER BY (q.share + $2::integer) % 16 LIMIT $3
FOR UPDATE OF q SKIP LOCKED;

-- name: all_shares
-- Lock all of a game's shares, waiting for whoever holds one.
SELECT q.epoch, q.share, q.remaining
FROM games g JOIN game_quota q ON q.game_id = g.id AND q.epoch = g.quota_epoch
WHERE g.id = $1 ORDER BY q.share
FOR UPDATE OF q;

-- name: use
-- Take from locked shares.
UPDATE game_quota q SET remaining = q.remaining - n.used
FROM unnest($1::bigint[], $2::integer[], $3::smallint[], $4::integer[]) AS n (game_id, epoch, share, used)
WHERE q.game_id = n.game_id AND q.epoch = n.epoch AND q.share = n.share;
