"""A database with millions of coupons, made inside Postgres in minutes: about 1 GB and 20 seconds per million.

One partner with six games, and a customer for ten coupons.
"""

from __future__ import annotations

import asyncpg
import click

from bench.databases import without_indexes

CHUNK = 500_000
BUSY, CLOSED, LIMITED, LONG, OVER, DUE = 1, 2, 3, 4, 5, 6
"""Games: half of the first's coupons are active, none of the second's; one customer has all of the fourth's; the coupons of
the last two are over and nobody has recorded it."""
LAPSED, OVERDUE = 5_000, 100_000
"""Of the last two games; fewer where there are few coupons in all, see `over`."""

FIRST = """
    INSERT INTO partners (id, name, time_zone, store_id, api_key_hash, secret_key_hash)
        VALUES (1, 'Benchmark', 'Europe/Vilnius', 'b', 'b', 'b');
    INSERT INTO shops (id, partner_id, name) VALUES (1, 1, 'Shop');
    INSERT INTO games (id, partner_id, name, description, game_type, reward_description, coupon_validity_days,
                       customer_limit)
        SELECT n, 1, 'A game', 'A game of the benchmark', 'wheel', 'A coffee', 30,
               CASE n WHEN 2 THEN 1 WHEN 5 THEN 1 WHEN 4 THEN 3 END
        FROM generate_series(1, 6) AS n
"""
CUSTOMERS = """
    INSERT INTO customers (partner_id, customer_id, last_at)
    SELECT 1, 'customer-' || n, now() - interval '1 day' FROM generate_series(1, $1::bigint) AS n
"""
# Half of the busy game's coupons are used, all of the closed one's are over; one customer has all of the long one's.
COUPONS = """
    INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, notice_at, rule_version,
                         steps, rule_validity_days, rule_allow_multiple, holds_single_place, status, redeemed_at, code)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3) || '8'
            || substr(hash, 4, 15))::uuid,
           hash::uuid, 1, game, CASE WHEN game = 4 THEN 1 ELSE 2 + (hashint8(n)::bigint + 2147483648) % ($3::bigint / 10 - 1) END,
           at, at + interval '720 h', CASE WHEN status = 'active' THEN at + interval '696 h' END, 1, (status <> 'active')::integer,
           30, true, false, status, CASE WHEN status = 'redeemed' THEN at + interval '1 h' END,
           translate(upper(substr(md5('code' || n), 1, 16)), 'ILOU', '1100')
    FROM (
        SELECT n, md5('coupon' || n) AS hash, game,
               now() - interval '28 days' + n * (interval '26 days' / $3::bigint) AS at,
               CASE WHEN game = 2 THEN CASE WHEN n % 200 = 12 THEN 'cancelled' ELSE 'expired' END
                    WHEN game = 4 OR game = 1 AND n % 2 = 0 THEN 'redeemed' ELSE 'active' END AS status
        FROM (
            SELECT n, CASE WHEN n % 20 < 12 THEN 1 WHEN n % 20 < 18 THEN 2 WHEN n % 20 = 18 THEN 3 ELSE 4 END AS game
            FROM generate_series($1::bigint, $2::bigint - 1) AS n
        ) AS numbers
    ) AS drawn
"""
OVERDUE_COUPONS = """
    INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
                         rule_validity_days, rule_allow_multiple, holds_single_place, code)
    SELECT gen_random_uuid(), gen_random_uuid(), 1, $1::bigint, 1 + n, at, at + interval '720 h', 1, 30, true, false,
           translate(upper(substr(md5('over' || $1::bigint || '-' || n), 1, 16)), 'ILOU', '1100')
    FROM (SELECT n, now() - interval '31 days' + n * interval '1 ms' AS at FROM generate_series(1, $2::integer) AS n) AS drawn
"""


async def fill(owner: asyncpg.Connection, coupons: int) -> None:
    """All of it. What was made last is in no cache, and what is there is vacuumed and written."""
    await owner.execute(FIRST)
    await owner.execute(CUSTOMERS, max(coupons // 10, over(OVERDUE, coupons) + 1))
    async with without_indexes(owner, ["coupons"]):  # in a quarter of the time
        for first in range(0, coupons, CHUNK):
            await owner.execute(COUPONS, first, min(first + CHUNK, coupons), coupons)
            click.echo(f"{min(first + CHUNK, coupons):,} coupons", err=True)
        await owner.execute(OVERDUE_COUPONS, OVER, over(LAPSED, coupons))
        await owner.execute(OVERDUE_COUPONS, DUE, over(OVERDUE, coupons))
    await owner.execute("UPDATE games SET total_limit = 2000000000 WHERE id = $1", LIMITED)
    await owner.execute("VACUUM ANALYZE")
    await owner.execute("CHECKPOINT")


def over(most: int, coupons: int) -> int:
    """How many coupons of such a game there are among so many."""
    return min(most, coupons // 10)
