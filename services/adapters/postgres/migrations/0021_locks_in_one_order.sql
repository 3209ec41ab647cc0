-- Rows that several transactions lock at once, locked in one order by all of them.

-- Places that a statement gives back: game after game, share after share, as issuers hold them. By a statement's trigger,
-- since a row's can only take them as the statement comes upon its coupons.
DROP TRIGGER a_cancelled_coupon_gives_its_place_back ON coupons;
DROP FUNCTION give_a_place_back();
CREATE FUNCTION give_places_back() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    game record;
    owed integer;
BEGIN
    IF NOT EXISTS (SELECT FROM after WHERE status = 'cancelled') THEN
        RETURN NULL;
    END IF;
    FOR game IN
        SELECT g.id, g.quota_epoch AS epoch FROM games g
        WHERE g.total_limit IS NOT NULL AND g.id IN (
            SELECT a.game_id FROM after a JOIN before b USING (id)
            WHERE a.status = 'cancelled' AND b.status <> 'cancelled')
        ORDER BY g.id FOR SHARE
    LOOP
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
CREATE TRIGGER cancelled_coupons_give_their_places_back AFTER UPDATE ON coupons
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION give_places_back();

-- Games of a partner whose zone changes, in the order in which batches share them.
CREATE OR REPLACE FUNCTION change_games_with_their_zone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM games WHERE partner_id = NEW.id ORDER BY id FOR NO KEY UPDATE;
    UPDATE games SET updated_at = clock_timestamp() WHERE partner_id = NEW.id;
    RETURN NULL;
END $$;
