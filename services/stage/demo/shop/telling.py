"""How the service hears of the month: from the shop's own systems over Kafka, and from its till over HTTP."""

from __future__ import annotations

import asyncio
import json
import urllib.error
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from schemas.events.types import CUSTOMER_CREATED, ORDER_CANCELLED, ORDER_PLACED, ORDER_REFUNDED
from schemas.topics import CUSTOMERS, ORDERS
from services.adapters.kafka import client_options
from services.adapters.postgres.partners import NewPartner
from services.runtime.settings import Settings
from services.runtime.web import open_url
from services.stage.demo.shop.month import WEEK_DAYS, Buys, GetsBack, Happening, Joins, Pays, Week
from services.stage.demo.shop.program import WHOLE_BEANS
from services.terminal.output import CommandError

SOURCE: Final = "/demo/roastery"
MANUAL: Final = "/api/v4/integrations/transactions/manual"
ANSWER_SECONDS: Final = 20.0


@dataclass(slots=True, kw_only=True)
class Teller:
    """Puts events onto their topics. `prefix` begins their ids; `told` counts them."""

    producer: AIOKafkaProducer
    settings: Settings
    partner: NewPartner
    prefix: str
    told: int = 0

    async def tell(self, week: Week, now: datetime) -> None:
        """What has happened in the week that ends so many days before `now`, and wait for the acknowledgements."""
        events = [each for each in week.happenings if not isinstance(each, Pays)]
        end = now - timedelta(days=week.days_ago)
        step = timedelta(days=WEEK_DAYS) / (len(events) + 1)
        waiting = []
        for number, each in enumerate(events):
            waiting.append(await self._send(each, end - (len(events) - number) * step))
            self.told += 1
        for future in waiting:
            await future

    async def _send(self, each: Happening, at: datetime) -> asyncio.Future[object]:
        topic, type_, details = event(each)
        data = {"partner_id": self.partner.id, "customer_id": each.customer, **details}
        attributes = {
            "specversion": "1.0",
            "id": f"{self.prefix}{self.told:04}",
            "source": SOURCE,
            "type": type_,
            "time": at.isoformat(),
        }
        headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
        sent: asyncio.Future[object] = await self.producer.send(
            self.settings.topic(topic),
            json.dumps(data).encode(),
            key=each.customer.encode(),
            headers=[*headers, ("content-type", b"application/json")],
        )
        return sent


@asynccontextmanager
async def teller(settings: Settings, partner: NewPartner, prefix: str) -> AsyncIterator[Teller]:
    """A connected one."""
    producer = AIOKafkaProducer(
        **client_options(settings), client_id="demo-shop", enable_idempotence=True
    )
    try:
        await producer.start()
        yield Teller(producer=producer, settings=settings, partner=partner, prefix=prefix)
    finally:
        await producer.stop()


def event(each: Happening) -> tuple[str, str, dict[str, Any]]:
    """Topic, type and what its data say beside partner and customer."""
    match each:
        case Joins():
            return CUSTOMERS, CUSTOMER_CREATED, {"referred_by": each.brought_by}
        case Buys():
            return ORDERS, ORDER_PLACED, {"order_id": each.order, **_basket(each)}
        case GetsBack(cents=None):
            return ORDERS, ORDER_CANCELLED, {"order_id": each.order}
        case GetsBack(cents=int(cents)):
            return ORDERS, ORDER_REFUNDED, {"order_id": each.order, "refunded_total": euros(cents)}
        case _:
            raise ValueError(f"{each} is no event")


def _basket(it: Buys) -> dict[str, Any]:
    price = euros(it.cents)
    of = {"collection_ids": [WHOLE_BEANS]} if it.beans else {}
    return {
        "currency": "EUR",
        "total": price,
        "lines": [{"quantity": 1, "unit_price": price, **of}],
    }


def euros(cents: int) -> str:
    """Exactly, as a text."""
    return f"{cents // 100}.{cents % 100:02}"


async def pay(api: str, partner: NewPartner, payments: Sequence[Pays]) -> None:
    """Take the points of these payments off, one after the other. Raises CommandError, one line."""
    for each in payments:
        body = {"customerId": each.customer, "transactionId": each.receipt, "points": -each.points}
        await asyncio.to_thread(_post, api + MANUAL, partner, {**body, "reason": "at the counter"})


def _post(url: str, partner: NewPartner, body: dict[str, Any]) -> None:
    headers = {
        "apiKey": partner.api_key,
        "secretKey": partner.secret_key,
        "Content-Type": "application/json",
    }
    sent = json.dumps(body).encode()
    try:
        with open_url(url, timeout_seconds=ANSWER_SECONDS, data=sent, headers=headers):
            pass
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(500).decode(errors="replace")
        raise CommandError(f"the till could not tell of a payment: {said}") from None
    except OSError as error:
        raise CommandError(f"the till could not tell of a payment: {error}") from None
