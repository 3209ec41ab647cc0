"""The invariants of contract section 6, written anew in the plainest SQL, over one small simulated world."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

from services.domain.arrival import Incoming
from services.issuer.codec import read_record
from tests.simulation.log import Group

CHECKS: Mapping[str, str] = {
    # A coupon's active spans: from its issue or a reinstatement to the next redemption, expiry or cancellation. What
    # began and ended at one instant was in nobody's way.
    "I1 two active coupons under the single rule": """
        WITH spans AS (
            SELECT c.id, c.customer_no, c.game_id, began.at AS began,
                   least(c.expires_at, (
                       SELECT min(h.at) FROM coupon_history h WHERE h.coupon_id = c.id AND h.step > began.step
                       AND h.status NOT IN ('active', 'reserved'))) AS ended,
                   began.step
            FROM coupons c CROSS JOIN LATERAL (
                SELECT 0 AS step, c.issued_at AS at
                UNION ALL SELECT h.step, h.at FROM coupon_history h WHERE h.coupon_id = c.id AND h.word = 'reinstated'
            ) AS began
        )
        SELECT a.id::text FROM spans a JOIN spans b
            ON a.customer_no = b.customer_no AND a.game_id = b.game_id AND a.id <> b.id
        JOIN games g ON g.id = a.game_id
        WHERE NOT g.allow_multiple_active_coupons
          AND b.began <= a.began AND (b.ended IS NULL OR b.ended > a.began) AND (a.ended IS NULL OR a.ended > a.began)
          AND (b.began < a.began OR b.id < a.id) LIMIT 1""",
    "I2 an event decided twice": """
        SELECT event_id FROM decisions GROUP BY event_source, event_id HAVING count(*) > 1 LIMIT 1""",
    "I2 a game event with two coupons": """
        SELECT d.event_id FROM decisions d JOIN coupons c USING (event_key)
        WHERE d.event_type = 'game.completed' AND c.game_id IS NOT NULL GROUP BY d.event_id HAVING count(*) > 1 LIMIT 1""",
    "I3 a coupon without its decision": """
        SELECT c.id::text FROM coupons c LEFT JOIN decisions d USING (event_key) WHERE d IS NULL LIMIT 1""",
    "I3 a coupon without its event": """
        SELECT c.id::text FROM coupons c LEFT JOIN outbox o ON o.ce_id = c.id::text || '.issued'
        WHERE o IS NULL LIMIT 1""",
    "I3 an expiry that does not follow from the rule": """
        SELECT id::text FROM coupons WHERE expires_at IS DISTINCT FROM
            issued_at + rule_validity_days * interval '24 hours' AND game_id IS NOT NULL LIMIT 1""",
    "I5 a history that is no path": """
        SELECT h.coupon_id::text FROM coupon_history h
        LEFT JOIN coupon_history p ON p.coupon_id = h.coupon_id AND p.step = h.step - 1
        WHERE h.was <> coalesce(p.status, 'active') OR (p IS NULL AND h.step <> 1) LIMIT 1""",
    "I5 a status that is not the history's last": """
        SELECT c.id::text FROM coupons c
        LEFT JOIN coupon_history h ON h.coupon_id = c.id AND h.step = c.steps
        WHERE c.status <> coalesce(h.status, 'active') OR (h IS NULL) <> (c.steps = 0) LIMIT 1""",
    "a step without its event, or told twice": """
        SELECT h.coupon_id::text FROM coupon_history h
        LEFT JOIN outbox o ON o.ce_id = h.coupon_id::text || '.' || h.step || '.' || h.word
        GROUP BY h.coupon_id, h.step HAVING count(o.id) <> 1 LIMIT 1""",
    "an event told twice": "SELECT ce_id FROM outbox WHERE ce_id IS NOT NULL GROUP BY ce_id HAVING count(*) > 1 LIMIT 1",
    "a group that counts other coupons than it has": """
        SELECT coalesce(g.handle, c.handle) FROM group_counts g FULL JOIN (
            SELECT partner_id, terms ->> 'group' AS handle, count(*) AS coupons FROM coupons
            WHERE terms ->> 'group' IS NOT NULL AND status <> 'cancelled' GROUP BY 1, 2) AS c USING (partner_id, handle)
        WHERE coalesce(g.issued, 0) <> coalesce(c.coupons, 0) LIMIT 1""",
    "a customer beyond the limit": """
        SELECT c.customer_no::text FROM coupons c JOIN games g ON g.id = c.game_id
        WHERE c.status <> 'cancelled' GROUP BY c.customer_no, g.id HAVING count(*) > g.customer_limit LIMIT 1""",
    "a game beyond its limit, or quota that is lost": """
        SELECT g.id::text FROM games g WHERE g.total_limit IS NOT NULL AND g.total_limit <>
            (SELECT count(*) FROM coupons c WHERE c.game_id = g.id AND c.status <> 'cancelled')
            + (SELECT sum(remaining) FROM game_quota q WHERE q.game_id = g.id AND q.epoch = g.quota_epoch) LIMIT 1""",
    "a card whose stamps do not add up": """
        SELECT s.game_id::text FROM stamp_cards s WHERE s.stamps <> (
            SELECT count(*) FROM order_stamps o WHERE o.customer_no = s.customer_no AND o.game_id = s.game_id
            AND o.card_no = s.card_no AND NOT o.taken_back) LIMIT 1""",
    "P1 a wallet that is not the sum of its ledger": """
        SELECT w.customer_no::text FROM wallets w JOIN LATERAL (
            SELECT count(*) AS entries, sum(points) AS points, sum(owed) AS owed, sum(points_earned) AS points_earned,
                   sum(score) AS score, sum(spent) AS spent, sum(orders) AS orders, sum(referrals) AS referrals
            FROM ledger l WHERE l.customer_no = w.customer_no) AS s ON true
        WHERE (w.entries, w.balance, w.owed, w.points_earned, w.score, w.spent, w.orders, w.referrals) IS DISTINCT FROM
              (s.entries, coalesce(s.points, 0), coalesce(s.owed, 0), coalesce(s.points_earned, 0), coalesce(s.score, 0),
               coalesce(s.spent, 0), coalesce(s.orders, 0), coalesce(s.referrals, 0)) LIMIT 1""",
    "P1 a balance that is not the sum so far": """
        SELECT customer_no::text FROM (
            SELECT customer_no, balance, sum(points) OVER (PARTITION BY customer_no ORDER BY number) AS so_far FROM ledger) AS l
        WHERE balance <> so_far OR so_far < 0 LIMIT 1""",
    "P3 a lot that is not what its entries left": """
        SELECT l.customer_no::text FROM lots l JOIN LATERAL (
            SELECT coalesce(sum((t ->> 1)::bigint), 0) AS taken FROM ledger e, jsonb_array_elements(e.takes) AS t
            WHERE e.customer_no = l.customer_no AND (t ->> 0)::bigint = l.number) AS s ON true
        WHERE l.remaining <> l.amount - s.taken LIMIT 1""",
    "P5 a referral that is rewarded twice": """
        SELECT value::jsonb ->> 'friend_id' FROM outbox WHERE ce_type = 'referral.rewarded'
        GROUP BY 1, value::jsonb ->> 'role' HAVING count(*) > 1 LIMIT 1""",
    "a customer's time that runs backwards": """
        SELECT customer_no::text FROM (
            SELECT customer_no, decided_at < lag(decided_at) OVER (PARTITION BY customer_no ORDER BY seq) AS back
            FROM decisions) AS d WHERE back LIMIT 1""",
}


async def violations(pool: asyncpg.Pool, group: Group, *, finished: bool) -> list[str]:
    """What does not hold now; below the group's commits nothing may have vanished."""
    found = []
    async with pool.acquire() as connection:
        for name, query in CHECKS.items():
            row = await connection.fetchrow(query)
            if row is not None:
                found.append(f"{name}: {row[0]}")
        decided = {row[0] for row in await connection.fetch("SELECT event_id FROM decisions")}
        buried = {
            tuple(row)
            for row in await connection.fetch('SELECT partition, "offset" FROM dead_letters')
        }
    for partition, records in enumerate(group.log.partitions):
        for record in records[: group.committed[partition]]:
            one = read_record(record)
            known = (partition, record.offset) in buried
            if not known and (not isinstance(one, Incoming) or one.event.cause.id not in decided):
                found.append(f"I4 record {partition}:{record.offset} vanished")
    assert group.is_done or not finished
    return found
