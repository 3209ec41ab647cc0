"""From the topics into customers' lines: coupons that partners' systems are to be told of, and those cancelled since.

A record only says which coupon to look at: the database says what it is. Whether its code is to come from the partner's
system was said at its issue, by the program in force then. What was read before, or is published again, has its row
already and changes nothing, so offsets are committed after the rows, and mean nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from schemas.topics import COUPON_ISSUED, COUPON_LIFECYCLE
from services.adapters.failures import is_of_a_server
from services.adapters.kafka import client_options, require_topics
from services.adapters.postgres import deliveries
from services.adapters.postgres.clock import clock
from services.adapters.postgres.deliveries import WAKE_SENDER, DeliveryRow
from services.adapters.postgres.pool import connect
from services.adapters.postgres.schema import require_schema
from services.adapters.secrets import Secrets
from services.domain.webhooks.answers import DeliveryKind
from services.domain.webhooks.webhook import Webhook
from services.runtime.crashpoints import reach
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.runtime.waiting import Waiting, keep_trying
from services.webhooks.configured import Trouble, webhooks_now

POLL_MS: Final = 500
POLL_RECORDS: Final = 1_000
CANCELLED: Final = b"coupon.cancelled"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A coupon that a record is about; `cancelled_at`: since when it is cancelled."""

    coupon_id: str
    partner_id: int
    cancelled_at: datetime | None = None


def named_in(record: ConsumerRecord, lifecycle: str) -> Named | None:
    """The coupon, where the record tells of one that a partner's system may hear of; no game's."""
    is_step = record.topic == lifecycle
    if is_step and dict(record.headers).get("ce_type") != CANCELLED:
        return None
    try:
        data = orjson.loads(record.value or b"")
        if data["game_id"] is not None:
            return None
        return Named(
            coupon_id=str(UUID(data["coupon_id"])),
            partner_id=int(data["partner_id"]),
            cancelled_at=datetime.fromisoformat(data["at"]) if is_step else None,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # not ours: whoever may write to the topic said it


async def read_until_stopped(
    settings: Settings, health: Health, waiting: Waiting, secrets: Secrets, trouble: Trouble
) -> None:
    """Poll after poll; an outage is waited out."""

    async def work() -> None:
        await require_schema(settings)
        await require_topics(settings, (COUPON_ISSUED, COUPON_LIFECYCLE))
        connection = await connect(settings, "couponry-webhooks", enable_seqscan="off")
        consumer = AIOKafkaConsumer(
            settings.topic(COUPON_ISSUED),
            settings.topic(COUPON_LIFECYCLE),
            **client_options(settings),
            client_id="couponry-webhooks",
            group_id=f"{settings.topic_prefix}couponry-webhooks",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=500,
            metadata_max_age_ms=5_000,
        )
        try:
            await consumer.start()
            await asyncio.sleep(0)  # its tasks must have begun before they can be stopped
            await _read(consumer, connection, settings, health, secrets, trouble, waiting.over)
        finally:
            await consumer.stop()
            connection.terminate()

    await keep_trying(work, waiting.failed, is_outage=is_of_a_server, stopping=health.stopping)


async def _read(
    consumer: AIOKafkaConsumer,
    connection: asyncpg.Connection,
    settings: Settings,
    health: Health,
    secrets: Secrets,
    trouble: Trouble,
    worked: Callable[[], None],
) -> None:
    lifecycle = settings.topic(COUPON_LIFECYCLE)
    while not health.stopping.is_set():
        polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        worked()
        health.started()
        if not polled:
            continue
        records = (record for part in polled.values() for record in part)
        found = [one for record in records if (one := named_in(record, lifecycle)) is not None]
        if found and await take(connection, found, settings, secrets, trouble):
            await connection.execute(WAKE_SENDER)
        reach("webhooks.before_offsets")
        await consumer.commit()


async def take(
    connection: asyncpg.Connection,
    found: Sequence[Named],
    settings: Settings,
    secrets: Secrets,
    trouble: Trouble,
) -> int:
    """Put them into their lines; how many were new. Raises what an outage raises."""
    known = await deliveries.known(connection, {one.partner_id for one in found})
    of_known = [one for one in found if one.partner_id in known]
    if not of_known:
        return 0
    webhooks = await webhooks_now(connection, list(known), secrets, trouble)
    issued = [one.coupon_id for one in of_known if one.cancelled_at is None]
    cancelled = {one.coupon_id: one.cancelled_at for one in of_known if one.cancelled_at}
    new = 0
    if issued:
        async with connection.transaction():
            at = await clock(connection, settings.clock_offset)
            rows = _issued(await deliveries.sendable(connection, issued), webhooks, at)
            await deliveries.held(connection, *_lines(rows))
            new += await deliveries.enqueue(connection, rows)
    if cancelled:
        async with connection.transaction():
            at = await clock(connection, settings.clock_offset)
            owners = await deliveries.owners_of_told(connection, cancelled)
            await deliveries.held(connection, owners, list(known))
            told = await deliveries.cancellable(connection, cancelled)
            new += await deliveries.enqueue(connection, _cancelled(told, cancelled, webhooks, at))
    return new


def _lines(rows: Iterable[DeliveryRow]) -> tuple[set[int], set[int]]:
    rows = list(rows)
    return {row.customer_no for row in rows}, {row.partner_id for row in rows}


def _issued(
    coupons: Iterable[asyncpg.Record], webhooks: dict[int, Webhook], at: datetime
) -> list[DeliveryRow]:
    """All of them: what is switched off by now, or has no webhook, waits."""
    return [
        _row(
            coupon,
            DeliveryKind.ISSUED,
            coupon["issued_at"],
            webhooks.get(coupon["partner_id"]),
            due_at=at,
        )
        for coupon in coupons
    ]


def _cancelled(
    told: Iterable[asyncpg.Record],
    cancelled_at: dict[str, datetime],
    webhooks: dict[int, Webhook],
    at: datetime,
) -> list[DeliveryRow]:
    """To partners who say where they want to hear of it."""
    rows = []
    for one in told:
        webhook = webhooks.get(one["partner_id"])
        if webhook is None or webhook.cancel_url is not None:
            since = cancelled_at[str(one["id"])]
            rows.append(_row(one, DeliveryKind.CANCELLED, since, webhook, due_at=at))
    return rows


def _row(
    coupon: asyncpg.Record,
    kind: DeliveryKind,
    at: datetime,
    webhook: Webhook | None,
    *,
    due_at: datetime,
) -> DeliveryRow:
    """What is to be told of a coupon since `at`, now or once its partner's webhook takes it."""
    is_on = webhook is not None and webhook.takes(coupon["type"])
    return DeliveryRow(
        coupon_id=str(coupon["id"]),
        kind=kind,
        partner_id=coupon["partner_id"],
        customer_no=coupon["customer_no"],
        at=at,
        type=coupon["type"],
        status="pending" if is_on else "held",
        due_at=due_at,
    )
