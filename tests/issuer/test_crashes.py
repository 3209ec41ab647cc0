"""A crash at every arrow of the way: whatever was half-done is done once, after the restart."""

from __future__ import annotations

import inspect
import re
import signal
from collections.abc import Sequence

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.decisions import transaction
from services.issuer import lane, pipeline
from services.runtime.settings import Settings
from tests.stand.feed import feed, finished, forget_dead_members
from tests.stand.issuing import a_game, audit, letters, outcomes
from tests.stand.processes import issuer
from tests.stand.records import again, completed, poison

POINTS = [
    point
    for module in (lane, pipeline, transaction)
    for point in re.findall(r'reach\("(.+)"\)', inspect.getsource(module))
]
EVENTS = 60
CUSTOMERS = 12


def test_every_arrow_has_its_point() -> None:
    """The list is read from the code, so that a point that is removed is missed here."""
    assert {point.removeprefix("issuer.after_") for point in POINTS} == {
        "poll", "lock", "load", "decide", "record", "commit", "unlock", "offsets",
    }  # fmt: skip


def stream(partner_id: int, game_id: int) -> Sequence[ConsumerRecord]:
    """Completions of a few customers, some sent twice, with records among them that cannot be read."""
    events = [
        completed(f"e-{n}", f"c-{n % CUSTOMERS}", partner_id=partner_id, game_id=game_id)
        for n in range(EVENTS)
    ]
    return [*events[:20], *poison(3), *events[20:], *(again(event) for event in events[::7])]


@pytest.mark.parametrize("point", POINTS)
async def test_crash_loses_nothing_and_doubles_nothing(
    topics: Settings, database: asyncpg.Connection, partner_id: int, point: str
) -> None:
    """Killed by SIGKILL in its second batch and started again: every record is decided once, to the last offset."""
    game_id = await a_game(database, partner_id)
    await feed(topics, stream(partner_id, game_id))
    small = topics.model_copy(update={"batch_max_records": 10})

    async with issuer(small, crash_at=f"{point}:2", allow_crash_points=True) as victim:
        assert await victim.ended() == -signal.SIGKILL
    await forget_dead_members(topics)
    async with issuer(small) as heir:
        await finished(topics)
        assert await heir.stopped() == 0

    decided = await outcomes(database)
    assert sorted(event_id for event_id, *_ in decided) == sorted(f"e-{n}" for n in range(EVENTS))
    assert [outcome for _, outcome, _ in decided].count("issued") == CUSTOMERS
    assert {reason for _, _, reason in decided} == {None, "active_coupon_exists"}
    assert len(await letters(database)) == 3
    await audit(database)
