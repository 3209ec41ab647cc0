-- A cancelled coupon's game is locked whatever its limit, and asked for it only then: a first limit that is being set at
-- that moment was not seen before, and the place was neither counted nor given back.
CREATE OR REPLACE FUNCTION give_places_back() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    game record;
    owed integer;
BEGIN
    IF NOT EXISTS (SELECT FROM after WHERE status = 'cancelled') THEN
        RETURN NULL;
    END IF;
    FOR game IN
        SELECT g.id, g.quota_epoch AS epoch, g.total_limit FROM games g
        WHERE g.id IN (
            SELECT a.game_id FROM after a JOIN before b USING (id)
            WHERE a.status = 'cancelled' AND b.status <> 'cancelled')
        ORDER BY g.id FOR SHARE
    LOOP
        CONTINUE WHEN game.total_limit IS NULL;
        SELECT debt INTO owed FROM game_quota_debt d WHERE d.game_id = game.id AND d.epoch = game.epoch FOR UPDATE;
        owed := coalesce(owed, 0);
        PERFORM FROM game_quota q WHERE q.game_id = game.id AND q.epoch = game.epoch AND q.share IN (
            SELECT 1 + a.customer_no % 16 FROM after a WHERE a.game_id = game.id AND a.status = 'cancelled')
        ORDER BY q.share FOR UPDATE;
        WITH given AS (
            SELECT 1 + a.customer_no % 16 AS share FROM after a JOIN before b USING (id)
            WHERE a.game_id = game.id AND a.status = 'cancelled' AND b.status <> 'cancelled'
            ORDER BY 1
        ), paid AS (
            UPDATE game_quota_debt d SET debt = d.debt - least(owed, (SELECT count(*) FROM given))
            WHERE owed > 0 AND d.game_id = game.id AND d.epoch = game.epoch
        )
        UPDATE game_quota q SET remaining = q.remaining + more.places
        FROM (SELECT share, count(*) AS places FROM (SELECT share FROM given OFFSET owed) AS left_over GROUP BY share) AS more
        WHERE q.game_id = game.id AND q.epoch = game.epoch AND q.share = more.share;
    END LOOP;
    RETURN NULL;
END $$;
