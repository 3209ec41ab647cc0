-- What a change of a game's rules does while issuers wait for it, however many coupons the game has.

-- The functions below count from indexes alone. Under row-level security every row would be looked at for its partner, so
-- they see all rows and ask this: a partner's session counts what is its own.
CREATE FUNCTION may_count_of(of_game bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT (session_partner_id() IS NULL AND current_setting('role') IS DISTINCT FROM 'couponry_api')
        OR EXISTS (SELECT FROM games WHERE id = of_game AND partner_id = session_partner_id())
$$;

-- How many of a game's coupons are active at an instant, and how many customers hold them.
CREATE FUNCTION active_coupons(of_game bigint, at timestamptz)
RETURNS TABLE (active_coupons_count bigint, affected_customers bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET work_mem = '64MB'
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    SELECT coalesce(sum(held), 0)::bigint, count(*) FROM (
        SELECT count(*) AS held FROM (
            SELECT customer_no FROM coupons
            WHERE game_id = of_game AND status = ANY ('{active,reserved}') AND expires_at > at
            UNION ALL
            SELECT customer_no FROM coupons
            WHERE game_id = of_game AND status = ANY ('{active,reserved}') AND expires_at IS NULL
        ) AS active GROUP BY customer_no
    ) AS of_customers
    HAVING may_count_of(of_game)
$$;

-- How many coupons count towards a game's limit, looked for up to `most` of them.
CREATE FUNCTION coupons_that_count(of_game bigint, most bigint) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    SELECT count(*) FROM (
        SELECT FROM coupons
        WHERE game_id = of_game AND status = ANY ('{active,reserved,redeemed,expired}') LIMIT most
    ) AS counted
    HAVING may_count_of(of_game)
$$;

-- What is taken from the shares of an epoch, and not given back, under this limit.
CREATE FUNCTION taken_from_shares(of_game bigint, of_epoch integer, under_limit integer) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT under_limit - (SELECT coalesce(sum(remaining), 0) FROM game_quota WHERE game_id = of_game AND epoch = of_epoch)
           + (SELECT coalesce(sum(debt), 0) FROM game_quota_debt WHERE game_id = of_game AND epoch = of_epoch)
    WHERE may_count_of(of_game)
$$;

REVOKE ALL ON FUNCTION may_count_of, active_coupons, coupons_that_count, taken_from_shares FROM public;
GRANT EXECUTE ON FUNCTION active_coupons, coupons_that_count, taken_from_shares TO couponry_worker, couponry_api;

-- A change of limit is exact, since nobody who decided by the old version can commit any more; and issuers wait for it, so
-- it counts what is soon counted: a game of few coupons anew. Of many, an old limit tells how many count: what was taken
-- from its shares. Where there was none, the largest limit there is stands first, which means that nobody has counted: as
-- long as it stands, the coupons that count differ from what is taken from its shares by the same number, which whoever
-- changes it reads in peace and tells in the setting `couponry.issued_before_<game>`.
CREATE OR REPLACE FUNCTION share_out_quota() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    shares    constant integer := 16;
    few       constant bigint := 10000;
    uncounted constant integer := 2147483647;
    before    bigint := nullif(current_setting('couponry.issued_before_' || NEW.id, true), '')::bigint;
    issued    bigint := 0;
    available bigint;
BEGIN
    IF NEW.total_limit IS NULL OR (TG_OP = 'UPDATE' AND NEW.quota_epoch = OLD.quota_epoch) THEN
        RETURN NULL;
    END IF;
    IF NEW.total_limit < uncounted THEN
        issued := coupons_that_count(NEW.id, few + 1);
        IF issued > few THEN
            IF TG_OP = 'INSERT' OR OLD.total_limit IS NULL OR (OLD.total_limit = uncounted AND before IS NULL) THEN
                issued := coupons_that_count(NEW.id, NULL);
            ELSE
                issued := taken_from_shares(NEW.id, OLD.quota_epoch, OLD.total_limit)
                          + CASE WHEN OLD.total_limit = uncounted THEN before ELSE 0 END;
            END IF;
        END IF;
    END IF;
    available := NEW.total_limit - issued;
    INSERT INTO game_quota (game_id, epoch, share, partner_id, remaining)
    SELECT NEW.id, NEW.quota_epoch, share, NEW.partner_id,
           greatest(0, available) / shares + (share <= greatest(0, available) % shares)::integer
    FROM generate_series(1, shares) AS share;
    IF available < 0 THEN
        INSERT INTO game_quota_debt (game_id, epoch, debt) VALUES (NEW.id, NEW.quota_epoch, -available);
    END IF;
    RETURN NULL;
END $$;
