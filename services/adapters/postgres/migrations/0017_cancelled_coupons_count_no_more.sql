-- Limits count the coupons that were not cancelled. A cancelled one gives its place back, in total limits too: by a
-- trigger, so that whoever cancels does, an older release as well. Where a limit was set below what had been issued
-- already, places that come back make up for that first.
CREATE TABLE game_quota_debt (
    game_id bigint  NOT NULL REFERENCES games,
    epoch   integer NOT NULL,
    debt    integer NOT NULL CONSTRAINT a_debt_is_paid_no_further_than_nothing CHECK (debt >= 0),
    PRIMARY KEY (game_id, epoch)
);
GRANT SELECT, INSERT, UPDATE ON game_quota_debt TO couponry_worker;

CREATE OR REPLACE FUNCTION share_out_quota() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    shares    constant integer := 16;
    available integer;
BEGIN
    IF NEW.total_limit IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.quota_epoch <> OLD.quota_epoch) THEN
        -- Counted anew at every change: exact, since nobody who decided by the old version can commit any more.
        SELECT NEW.total_limit - count(*) INTO available
        FROM coupons WHERE game_id = NEW.id AND status <> 'cancelled';
        INSERT INTO game_quota (game_id, epoch, share, partner_id, remaining)
        SELECT NEW.id, NEW.quota_epoch, share, NEW.partner_id,
               greatest(0, available) / shares + (share <= greatest(0, available) % shares)::integer
        FROM generate_series(1, shares) AS share;
        IF available < 0 THEN
            INSERT INTO game_quota_debt (game_id, epoch, debt) VALUES (NEW.id, NEW.quota_epoch, -available);
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION give_a_place_back() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    current_epoch integer;
BEGIN
    SELECT quota_epoch INTO current_epoch FROM games WHERE id = NEW.game_id AND total_limit IS NOT NULL FOR SHARE;
    IF current_epoch IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE game_quota_debt SET debt = debt - 1
    WHERE game_id = NEW.game_id AND epoch = current_epoch AND debt > 0;
    IF NOT FOUND THEN
        UPDATE game_quota SET remaining = remaining + 1
        WHERE game_id = NEW.game_id AND epoch = current_epoch AND share = 1 + NEW.customer_no % 16;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER a_cancelled_coupon_gives_its_place_back AFTER UPDATE OF status ON coupons
    FOR EACH ROW WHEN (NEW.status = 'cancelled' AND OLD.status <> 'cancelled') EXECUTE FUNCTION give_a_place_back();

-- What was cancelled before gives its place back now.
LOCK TABLE game_quota IN EXCLUSIVE MODE;
WITH counted AS (
    SELECT g.id, g.quota_epoch,
           g.total_limit - (SELECT count(*) FROM coupons c WHERE c.game_id = g.id AND c.status <> 'cancelled')
           - (SELECT coalesce(sum(q.remaining), 0) FROM game_quota q WHERE q.game_id = g.id AND q.epoch = g.quota_epoch) AS more
    FROM games g WHERE g.total_limit IS NOT NULL
), in_debt AS (
    INSERT INTO game_quota_debt (game_id, epoch, debt) SELECT id, quota_epoch, -more FROM counted WHERE more < 0
)
UPDATE game_quota q SET remaining = q.remaining + counted.more FROM counted
WHERE counted.more > 0 AND q.game_id = counted.id AND q.epoch = counted.quota_epoch AND q.share = 1;

-- Records that wait are a partner's, like all that has a partner's column.
ALTER TABLE waiting_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE waiting_records FORCE ROW LEVEL SECURITY;
