"""`status`: what waits, what died, how fast it goes."""

from __future__ import annotations

from services.adapters.kafka import GAME_COMPLETED, ORDERS
from services.adapters.postgres.pool import connect
from services.runtime.settings import Settings
from tests.ops.conftest import Command, CommandOn
from tests.ops.world import World, completed, send


async def test_status_of_a_system_at_rest(world: World, couponry_on: CommandOn) -> None:
    """Every partition of both incoming topics, no lag, an empty outbox, the letters there are."""
    figures = (await couponry_on(world.settings)("status", "--json")).json()
    prefix = world.settings.topic_prefix
    places = [(part["topic"], part["partition"]) for part in figures["lag"]]
    assert places == [
        (prefix + topic, number) for topic in (GAME_COMPLETED, ORDERS) for number in range(4)
    ]
    assert figures["total_lag"] == 0
    assert sum(part["end"] for part in figures["lag"]) == 35
    assert figures["outbox"] == {"depth": 0, "oldest_age_seconds": 0}
    assert figures["unpublishable"] == 0
    assert figures["dead_letters"] == {
        "open": 3,
        "decided": 0,
        "already_decided": 0,
        "discarded": 0,
    }


async def test_status_counts_what_waits(topics: Settings, couponry: Command) -> None:
    """Records nobody has read are lag; queued rows are depth with an age; refused ones stand apart."""
    await send(topics, [completed(f"e{n}", "ona", 1, 1) for n in range(5)])
    connection = await connect(topics, "test")
    await connection.execute(
        """
        INSERT INTO outbox (topic, ce_type, ce_id, value, queued_at, refused)
        SELECT 'coupon-issued', 'coupon.issued', n, '{}', now() - interval '90 s', CASE WHEN n = 3 THEN 'too large' END
        FROM generate_series(1, 3) AS n;
        INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, game_id, "offset",
                               partition, event_id, event_source, event_type, topic, outcome, reason)
        SELECT gen_random_uuid(), now() - n * interval '0.1 s', now(), 1, 1, 1, 0, 0, 'e' || n, 's', 't', 't',
               'declined', 'game_ended'
        FROM generate_series(1, 1000) AS n
        """
    )
    await connection.close()
    figures = (await couponry("status", "--json")).json()
    assert figures["total_lag"] == 5
    assert {part["committed"] for part in figures["lag"]} == {None}
    assert (figures["outbox"]["depth"], figures["unpublishable"]) == (2, 1)
    assert 90 <= figures["outbox"]["oldest_age_seconds"] < 180
    assert 0 < figures["decisions_per_second"] <= 10
    told = (await couponry("status")).out
    assert "outbox depth" in told
    assert "unpublishable" in told
