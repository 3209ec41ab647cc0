"""What subscribers of committed records hear of the shop, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.events import types
from schemas.topics import COUPON_ISSUED, COUPON_LIFECYCLE, FOLLOW_UPS, PROGRAM_EVENTS
from services.adapters.records import bounds_of, partitions_of, read_parts, side_reader
from services.runtime.settings import Settings
from services.stage.demo.shop.lines import REACHED, Line

TOPICS: Final = (COUPON_ISSUED, COUPON_LIFECYCLE, FOLLOW_UPS, PROGRAM_EVENTS)
TYPE: Final = "ce_type"
POINTS: Final = {
    "points.earned": Line.EARNED,
    "points.expired": Line.ENDED,
    "points.spent": Line.PAID,
    "points.reversed": Line.TAKEN,
    "points.restored": Line.RESTORED,
}
assert POINTS.keys() == set(types.POINTS)
COUPONS: Final = {"coupon.redeemed": Line.USED, "coupon.reinstated": Line.REINSTATED}
assert COUPONS.keys() <= set(types.COUPON_LIFECYCLE)
TOLD_TYPE: Final = "fixed"
"""Of coupons that the shop's own system is told of."""
REDEMPTION, UNDONE = "redemption", "redemption_undone"
"""The source of what is redeemed for points, and why its coupon is cancelled."""
BIG_BASKET_TYPE: Final = "EventBased"


@dataclass(slots=True, kw_only=True)
class News:
    """Everything of one partner since the beginning. `follow_ups` are what the service has told itself.

    `to_tell` are coupons that the shop's own system is to hear of, `undone` those that have become points again.

    A coupon goes by the name that the shop gave it beforehand: it is the one that the event of that id led to, or that
    the till was answered with.
    """

    partner_id: int
    reader: AIOKafkaConsumer
    ends: AIOKafkaConsumer
    positions: dict[TopicPartition, int]
    counts: Counter[Line] = field(default_factory=Counter)
    follow_ups: int = 0
    to_tell: set[str] = field(default_factory=set)
    undone: set[str] = field(default_factory=set)
    _reached: set[tuple[str, int]] = field(default_factory=set)
    _big_basket: int | None = None
    _names: dict[str, str] = field(default_factory=dict)
    _coupons: dict[str, str] = field(default_factory=dict)
    _codes: dict[str, str] = field(default_factory=dict)

    def expect(self, name: str, event_id: str) -> None:
        """What this event leads to goes by that name."""
        self._names[event_id] = name

    def named(self, name: str, coupon_id: str) -> None:
        """So this coupon is called."""
        self._coupons[name] = coupon_id

    def shown(self, coupon_id: str, code: str) -> None:
        """This is what its customer shows."""
        self._codes[coupon_id] = code

    def coupon_of(self, name: str) -> str | None:
        """The coupon's id; None: there is none so far."""
        return self._coupons.get(name)

    def code_of(self, name: str | None) -> str | None:
        """What its customer shows; None: there is no such coupon so far."""
        return self._codes.get(self._coupons.get(name or "", ""))

    async def read(self) -> None:
        """On to where the topics end now; waits for what is on its way to be committed."""
        bounds = await bounds_of(self.ends, list(self.positions))
        ends = {partition: kept.end for partition, kept in bounds.items()}
        async for records in read_parts(self.reader, self.positions, ends):
            for record in records:
                data = orjson.loads(record.value)
                if data["partner_id"] == self.partner_id:
                    self.hear(dict(record.headers)[TYPE].decode(), data)
        self.positions = ends

    def hear(self, type_: str, data: Mapping[str, Any]) -> None:
        """One message of this partner's."""
        is_redemption = data["source"]["kind"] == REDEMPTION if "source" in data else False
        if type_ in POINTS:
            is_bought = type_ == "points.spent" and is_redemption
            self.counts[Line.REDEEMED if is_bought else POINTS[type_]] += data["points"]
            return
        if type_ in COUPONS:
            self.counts[COUPONS[type_]] += 1
            return
        match type_:
            case types.COUPON_ISSUED:
                self.counts[Line.COUPONS] += 1
                self.counts[Line.BOUGHT] += is_redemption
                self._issued(data)
            case types.REWARD_DECLINED:
                self.counts[Line.REFUSED] += is_redemption
            case "coupon.cancelled" if data["reason"] == UNDONE:
                self.counts[Line.UNDONE] += 1
                self.undone.add(data["coupon_id"])
            case "coupon.delivered":
                self.counts[Line.CODES] += 1
                self.shown(data["coupon_id"], data["external_code"])
            case types.REFERRAL_COMPLETED:
                self.follow_ups += 1
            case types.REFERRAL_REWARDED:
                self.counts[Line.REFERRALS] += data["role"] == "customer"
            case types.CAMPAIGN_ACHIEVED if data["campaign_type"] == BIG_BASKET_TYPE:
                self._big_basket = data["campaign_id"]
                self.counts[Line.BIG_BASKETS] += 1
            case types.CAMPAIGN_REVOKED if data["campaign_id"] == self._big_basket:
                self.counts[Line.REVOKED] += 1
            case types.TIER_CHANGED:
                self._moved(data["customer_id"], data["from"]["order"], data["to"]["order"])
            case _:
                pass

    def _issued(self, data: Mapping[str, Any]) -> None:
        self._codes.setdefault(
            data["coupon_id"], data["code"]
        )  # one that was given may be heard first
        if data["terms"]["type"] == TOLD_TYPE:
            self.to_tell.add(data["coupon_id"])
        name = self._names.get(data["cause"]["id"])
        if name is not None:
            self.named(name, data["coupon_id"])

    def _moved(self, customer_id: str, before: int, after: int) -> None:
        """A tier counts once for each customer; who rises by two has reached both."""
        self.counts[Line.FELL] += after < before
        for place, line in REACHED.items():
            if before <= place < after and (customer_id, place) not in self._reached:
                self._reached.add((customer_id, place))
                self.counts[line] += 1


@asynccontextmanager
async def news(settings: Settings, partner_id: int) -> AsyncIterator[News]:
    """A subscriber that stands at the end of what is published. An end is also told where a transaction is open."""
    topics = [settings.topic(name) for name in TOPICS]
    partitions = await partitions_of(settings, topics)
    async with (
        side_reader(settings) as reader,
        side_reader(settings, "read_uncommitted") as ends,
    ):
        now = await bounds_of(ends, partitions)
        yield News(
            partner_id=partner_id,
            reader=reader,
            ends=ends,
            positions={partition: kept.end for partition, kept in now.items()},
        )
