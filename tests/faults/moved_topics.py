"""A topic that is deleted and made anew: its offsets begin at 0 once more, with other records."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from schemas.topics import GAME_COMPLETED
from services.adapters.kafka import admin_client, ensure_topics
from services.runtime.settings import Settings
from tests.faults.fault import Fault
from tests.faults.run import outcomes
from tests.faults.system import System
from tests.stand.waiting import eventually

EVENTS = 50
"""So many are sent to the new topic and whatever else there is, before its recovery is looked at."""


async def make_anew(settings: Settings, topic: str) -> None:
    """Delete the topic, and make one of the same name."""
    async with admin_client(settings) as admin:
        await admin.delete_topics([settings.topic(topic)])

        async def is_gone() -> bool:
            return settings.topic(topic) not in await admin.list_topics()

        await eventually(is_gone, f"{topic} is gone")
    await ensure_topics(settings)


async def incoming(topic: str, system: System) -> Collection[str]:
    """What nobody has read goes with it, so shops pause, and all of it is read; over when they do again."""
    system.load.held.add(topic)
    try:
        await outcomes(system, set(system.ledger.open))
        await make_anew(system.direct, topic)
    finally:
        system.load.held.discard(topic)
    sent = len(system.ledger.sent)
    await eventually(lambda: _sent(system, sent + EVENTS), "shops send again")
    return ()


async def _sent(system: System, events: int) -> bool:
    return len(system.ledger.sent) >= events


FAULTS = [
    Fault(
        name="topic made anew",
        about=f"{GAME_COMPLETED} is deleted when all of it is read, and made again under its name",
        act=partial(incoming, GAME_COMPLETED),
    )
]
