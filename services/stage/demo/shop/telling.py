"""How the service hears of the month from the shop's own systems, over Kafka."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from schemas.events.types import (
    CUSTOMER_CREATED,
    ORDER_CANCELLED,
    ORDER_PLACED,
    ORDER_REFUNDED,
    POINTS_REDEEM_REQUESTED,
    POINTS_UNDO_REQUESTED,
)
from schemas.topics import CUSTOMERS, ORDERS
from services.adapters.kafka import client_options
from services.runtime.settings import Settings
from services.stage.demo.shop.happenings import (
    Buys,
    GetsBack,
    Happening,
    Joins,
    Redeems,
    Undoes,
)
from services.stage.demo.shop.month import WEEK_DAYS
from services.stage.demo.shop.news import News
from services.stage.demo.shop.program import WHOLE_BEANS, Offer

SOURCE: Final = "/demo/roastery"


@dataclass(slots=True, kw_only=True)
class Teller:
    """Puts events onto their topics. `rules`: the rule of each offer; what is known of coupons is looked up in `news`.

    `prefix` begins the events' ids; `told` counts them.
    """

    producer: AIOKafkaProducer
    settings: Settings
    partner_id: int
    rules: Mapping[Offer, int]
    news: News
    prefix: str
    told: int = 0

    async def tell(self, happenings: Sequence[Happening], until: datetime) -> None:
        """What has happened in the week up to then, and wait for the acknowledgements. Nobody asks for what is not."""
        events = [each for each in happenings if self._can_be_asked(each)]
        step = timedelta(days=WEEK_DAYS) / (len(events) + 1)
        waiting = []
        for number, each in enumerate(events):
            waiting.append(await self._send(each, until - (len(events) - number) * step))
            self.told += 1
        for future in waiting:
            await future

    def _can_be_asked(self, each: Happening) -> bool:
        return not isinstance(each, Undoes) or self.news.coupon_of(each.coupon) is not None

    async def _send(self, each: Happening, at: datetime) -> asyncio.Future[object]:
        topic, type_, details = event(each, self.rules, self.news)
        data = {"partner_id": self.partner_id, "customer_id": each.customer, **details}
        id_ = f"{self.prefix}{self.told:04}"
        if isinstance(each, Joins | Redeems):
            self.news.expect(each.coupon, id_)
        attributes = {
            "specversion": "1.0",
            "id": id_,
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
async def teller(
    settings: Settings, partner_id: int, rules: Mapping[Offer, int], news: News, prefix: str
) -> AsyncIterator[Teller]:
    """A connected one."""
    producer = AIOKafkaProducer(
        **client_options(settings), client_id="demo-shop", enable_idempotence=True
    )
    try:
        await producer.start()
        yield Teller(
            producer=producer,
            settings=settings,
            partner_id=partner_id,
            rules=rules,
            news=news,
            prefix=prefix,
        )
    finally:
        await producer.stop()


def event(
    each: Happening, rules: Mapping[Offer, int], news: News
) -> tuple[str, str, dict[str, Any]]:
    """Topic, type and what its data say beside partner and customer."""
    match each:
        case Joins():
            return CUSTOMERS, CUSTOMER_CREATED, {"referred_by": each.brought_by}
        case Redeems():
            return CUSTOMERS, POINTS_REDEEM_REQUESTED, {"rule_id": rules[each.offer]}
        case Undoes():
            return CUSTOMERS, POINTS_UNDO_REQUESTED, {"coupon_id": news.coupon_of(each.coupon)}
        case Buys():
            code = news.code_of(each.coupon)
            codes = {"coupon_codes": [code]} if code is not None else {}
            return ORDERS, ORDER_PLACED, {"order_id": each.order, **_basket(each), **codes}
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
