-- outside a transaction
-- Built while coupons are issued, however many there are; see `migrate.py` for what a file like this may hold. What an
-- index costs a thousand new coupons, of 26 ms of Postgres' time at 5 million: the first none, since it takes another's
-- place with entries of the same size; the other two 2 to 3 ms each, because new entries land side by side in them.

-- A customer's coupons, and what limits ask for: when the newest of a game were issued that were not cancelled, however
-- long the history is. Cancelled ones are behind all others here, so nobody walks over them.
CREATE INDEX CONCURRENTLY IF NOT EXISTS coupons_by_customer_and_game
    ON coupons (customer_no, game_id, (CASE WHEN status <> 'cancelled' THEN issued_at END));

-- What a change of a game's rules asks for: which of its coupons are active or over, whose they are, and how many count
-- towards its limit; all of it from the index alone.
CREATE INDEX CONCURRENTLY IF NOT EXISTS coupons_by_game ON coupons (game_id, status, expires_at) INCLUDE (customer_no);

-- A partner's lists, newest first: whichever page is asked for, only coupons of the status wanted are walked over.
CREATE INDEX CONCURRENTLY IF NOT EXISTS coupons_by_partner ON coupons (partner_id, status, id);

DROP INDEX CONCURRENTLY IF EXISTS coupons_by_customer;
