"""What partners are told of webhooks that were switched off, held against their programs: forged, lost, repeated."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from schemas.events.types import WEBHOOK_DISABLED
from schemas.topics import PROGRAM_EVENTS
from services.decisions.webhooks import switch_off
from services.insight.verify.messages import KINDS, Foreign, Message, read_message
from services.runtime.settings import Settings
from tests.insight.test_verify_program_events import new_of_i3
from tests.insight.test_verify_topics import assert_each_is_found, published, say
from tests.stand.telling import told
from tests.stand.webhooks import a_webhook
from tests.stand.world import at_work, until_settled

AT = datetime(2026, 11, 28, 12, 0, 0, 5, tzinfo=UTC)


@pytest.fixture
async def off(topics: Settings, database: asyncpg.Connection, partner_id: int) -> int:
    """A partner whose webhook was switched off, and who has been told."""
    await a_webhook(database, partner_id, topics)
    async with database.transaction():
        await switch_off(database, partner_id, "gone", AT)
    async with at_work(topics):
        await until_settled(topics)
    return partner_id


async def test_verify_holds_what_was_told_of_webhooks(topics: Settings, off: int) -> None:
    """It is known; told again, otherwise, or of a version that switched nothing off, it is found."""
    assert await new_of_i3(topics, set()) == []
    (record,) = await published(topics, PROGRAM_EVENTS)
    await say(topics, record)
    twice = await new_of_i3(topics, set())
    assert_each_is_found(
        twice, [f"webhook.disabled of partner {off} in version 2 was published 2 times"]
    )
    again = {"couponry_republished": b"true"}
    otherwise = await say(topics, record, again, reason="bored", at="2027")
    never = await say(topics, record, {"ce_id": f"{off}.1.disabled".encode()})
    mine = await say(topics, record, {"ce_id": b"mine.disabled"})
    webhook = f"the webhook of partner {off} in version"
    assert_each_is_found(
        await new_of_i3(topics, set(twice)),
        [
            f"record {otherwise} says otherwise than the database of {webhook} 2: instant, reason",
            f"record {never} tells of {webhook} 1, which the database does not know",
            f"record {mine} is a webhook.disabled",
        ],
    )


async def test_verify_misses_what_nobody_was_told(
    topics: Settings, database: asyncpg.Connection, off: int
) -> None:
    """One that is neither published nor queued any more."""
    await a_webhook(database, off, topics)
    async with database.transaction():
        await switch_off(database, off, "gone", AT)
    assert await new_of_i3(topics, set()) == []
    await database.execute("DELETE FROM outbox")
    assert await new_of_i3(topics, set()) == [
        f"nobody was told {off}.4.disabled of a webhook that was switched off, neither published nor queued"
    ]


def test_name_of_a_switched_off_webhook_is_read() -> None:
    """Partner and version; anything else is none of ours."""
    (kind,) = (kind for kind in KINDS if WEBHOOK_DISABLED in kind.types)
    record = told("order.placed", partner_id=1)
    for name, number in (("7.3.disabled", 3), ("9223372036854775807.1.disabled", 1)):
        headers = {"ce_type": WEBHOOK_DISABLED.encode(), "ce_id": name.encode()}
        read = read_message(replace(record, headers=tuple(headers.items())), kind)
        assert isinstance(read, Message)
        assert (str(read.id.int), read.number) == (name.partition(".")[0], number)
    for wrong in (
        "7.disabled",
        "7.3.enabled",
        "07.3.disabled",
        "-7.3.disabled",
        "x.3.disabled",
        "7.3",
        "7.-3.disabled",
        "",
    ):
        headers = {"ce_type": WEBHOOK_DISABLED.encode(), "ce_id": wrong.encode()}
        read = read_message(replace(record, headers=tuple(headers.items())), kind)
        assert isinstance(read, Foreign), wrong
