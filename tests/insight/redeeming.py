"""Customers who redeem points, give coupons back and use them, by name: the same acts can be played for another partner.

A coupon is called by the event that it was redeemed with. What comes over HTTP is decided by what its doors call.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import ConsumerRecord

from services.adapters.redis_locks import CustomerLocks
from services.decisions.accounts_by_hand import ByHand, book_points
from services.decisions.manner import Manner
from services.decisions.redemptions_by_hand import Redeemed, Undone, redeem, undo
from services.decisions.steps import StepRequest, take_step
from services.decisions.transaction import Deciding
from services.domain.coupons.codes import display
from services.domain.coupons.coupon import Step
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from services.sweeper.app import sweep_once
from tests.insight.shop import Shop
from tests.stand.telling import a_program, told

HTTP = "/couponry/v4"
CUSTOMERS = ("anna", "bert")
UNKNOWN_CODE = "0000-0000-0000-0000"
REDEMPTION: dict[str, Any] = {
    "pointsExpiryPeriod": 9,
    "defaultRule": {"valueOfPoint": Decimal("0.1")},
    "rules": [
        {
            "ruleType": "percentage_discount_settings", "pointsToRedeem": 20,
            "coupon": {"couponType": "percentage_discount", "discountValue": 10},
        },
        {
            "ruleType": "fixed_rate_settings", "pointsToRedeem": 30,
            "coupon": {
                "couponType": "fixed_rate_discount", "discountValue": 5,
                "options": {"usageLimit": 2, "expiryAfter": 4},
            },
        },
        {"ruleType": "general_settings", "pointsToRedeem": None, "coupon": {"couponType": "fixed_discount"}},
    ],
}  # fmt: skip
PROGRAM: dict[str, Any] = {
    "settings": {"currency": "EUR"},
    "cashback": {
        "defaultCashbackRule": {"amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1},
        "tierCashbackRules": [],
    },
    "tiers": [
        {"name": "Bronze", "minProgress": 0, "order": 1},
        {"name": "Silver", "minProgress": 400, "order": 2, "benefits": [{"type": "Entry Reward", "walletReward": 30}]},
    ],
    "redemption": REDEMPTION,
}  # fmt: skip
DEFAULT_RULE = -1
_VALIDITIES = (timedelta(days=2), timedelta(days=4), timedelta(days=9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """`kind` is a type of event, `http.redeem`, `http.undo`, `book` or a step of staff; `coupon` names one."""

    name: str
    kind: str
    who: str
    rule: int = 0
    points: int | None = None
    coupon: str | None = None
    order: str = ""
    amount: str = ""

    @property
    def is_event(self) -> bool:
        return self.kind.split(".")[0] in ("order", "points")


Poll = tuple[timedelta, Sequence[Act]]


def at_once(*acts: Act) -> list[Poll]:
    """One poll for each."""
    return [(timedelta(minutes=7), [act]) for act in acts]


def a_month(dice: random.Random, *, with_staff: bool, polls: int = 24) -> list[Poll]:
    """Polls of acts; a coupon is named in a later poll than the one in which it may have been redeemed."""
    known: list[tuple[str, str]] = []
    orders: list[tuple[str, str]] = []
    month: list[Poll] = []
    at, moments = timedelta(), list[timedelta]()
    for number in range(polls):
        acts = [
            _act(dice, f"a-{number}-{place}", known, orders, with_staff=with_staff)
            for place in range(6)
        ]
        known += [(act.name, act.who) for act in acts if "redeem" in act.kind and act.kind != Step.REDEEMED]  # fmt: skip
        after = timedelta(hours=dice.choice((1, 5, 5, 30, 70)))
        while any(at + after - moment in _VALIDITIES for moment in moments):
            after += timedelta(minutes=1)  # or it would be a matter of milliseconds who is late
        at += after
        moments.append(at)
        month.append((after, acts))
    return month


def _act(
    dice: random.Random,
    name: str,
    known: Sequence[tuple[str, str]],
    orders: list[tuple[str, str]],
    *,
    with_staff: bool,
) -> Act:
    who = dice.choice(CUSTOMERS)
    mine = [coupon for coupon, owner in known[-8:] if owner == who]
    coupon = dice.choice(mine) if mine else None
    kinds = {"order.placed": 6, "order.refunded": 1, "order.cancelled": 1, "points.redeem-requested": 4, "http.redeem": 3}  # fmt: skip
    if coupon is not None:
        kinds |= {"points.undo-requested": 3, "http.undo": 3}
        kinds |= {Step.REDEEMED: 1, Step.RESERVED: 1, Step.RELEASED: 1, Step.REINSTATED: 1, Step.CANCELLED: 1} if with_staff else {}  # fmt: skip
    if with_staff:
        kinds["book"] = 1
    kind = dice.choices(list(kinds), list(kinds.values()))[0]
    if kind == "order.placed":
        orders.append((f"o-{name}", who))
        return Act(name=name, kind=kind, who=who, coupon=coupon, order=f"o-{name}", amount=str(dice.randrange(30, 150)))  # fmt: skip
    if kind.startswith("order"):
        order, who = dice.choice(orders) if orders else ("o-none", who)
        return Act(name=name, kind=kind, who=who, order=order, amount=str(dice.randrange(1, 150)))
    if kind == "book":
        return Act(name=name, kind=kind, who=who, points=dice.choice((50, -20)))
    rule = dice.choice((0, 0, 0, 1, 1, 1, 2, DEFAULT_RULE))
    points = dice.choice((15, 35)) if rule == DEFAULT_RULE else None
    return Act(name=name, kind=kind, who=who, rule=rule, points=points, coupon=coupon)


@dataclass(slots=True, kw_only=True)
class Redeeming:
    """One partner to whom acts happen. `refused` are those over HTTP that came to nothing."""

    shop: Shop
    pool: asyncpg.Pool
    locks: CustomerLocks
    rules: list[int] = field(default_factory=list)
    at: timedelta = timedelta()
    refused: set[str] = field(default_factory=set)
    issued: set[str] = field(default_factory=set)

    @property
    def partner_id(self) -> int:
        return self.shop.partner_id

    @property
    def manner(self) -> Manner:
        return Manner(clock_offset=self.at)

    @property
    def settings(self) -> Settings:
        """By this partner's clock."""
        moved = {"allow_test_clock": True, "clock_offset_seconds": self.at.total_seconds()}
        return self.shop.settings.model_copy(update=moved)

    async def set(self, **sections: Any) -> None:
        """Its program, whose rules are known by their places, the default one last."""
        changed = await a_program(self.shop.database, self.partner_id, **sections)
        redemption = changed.after.redemption
        ids = [*(rule.id for rule in redemption.rules), redemption.default_rule.id]
        self.rules = [id_ or 0 for id_ in ids]

    async def live(
        self, polls: Sequence[Poll], *, as_refused: Collection[str] = (), as_issued: Collection[str] | None = None
    ) -> None:  # fmt: skip
        """All of it. What the other partner was refused over HTTP is not asked here, nor is a coupon named that it did
        not get: `as_issued`."""
        for after, acts in polls:
            self.at += after
            self.shop.pipeline = Pipeline(self.pool, self.locks, self.manner)
            coupons = await self.coupons()
            if as_issued is not None:
                coupons = {name: each for name, each in coupons.items() if name in as_issued}
            await self.shop.happens([self._record(act, coupons) for act in acts if act.is_event])
            for act in acts:
                if not act.is_event and act.name not in as_refused:
                    await self._by_hand(act, coupons)
        self.issued = set(await self.coupons())
        while (await sweep_once(self.shop.database, self.settings)).total:
            pass

    async def coupons(self) -> dict[str, tuple[UUID, str]]:
        """Id and code by the event that each was redeemed with."""
        rows = await self.shop.database.fetch(
            "SELECT d.event_id, c.id, c.code, c.code_prefix FROM coupons c JOIN decisions d USING (event_key)"
            " WHERE c.partner_id = $1 AND c.source_kind = 'redemption'",
            self.partner_id,
        )
        return {
            row["event_id"].rpartition("@")[0]: (row["id"], display(row["code"], row["code_prefix"]))
            for row in rows
        }  # fmt: skip

    def _record(self, act: Act, coupons: dict[str, tuple[UUID, str]]) -> ConsumerRecord:
        coupon_id, code = coupons.get(act.coupon or "", (uuid4(), UNKNOWN_CODE))
        data: dict[str, Any] = {}
        match act.kind:
            case "order.placed":
                codes = [] if act.coupon is None else [code]
                data = {
                    "order_id": act.order,
                    "currency": "EUR",
                    "total": act.amount,
                    "coupon_codes": codes,
                }
            case "order.refunded":
                data = {"order_id": act.order, "refunded_total": act.amount}
            case "order.cancelled":
                data = {"order_id": act.order}
            case "points.redeem-requested":
                data = {"rule_id": self.rules[act.rule], "points": act.points}
            case "points.undo-requested":
                data = {"coupon_id": str(coupon_id)}
        of: dict[str, Any] = {
            "partner_id": self.partner_id,
            "event_id": f"{act.name}@{self.partner_id}",
        }
        return told(act.kind, act.who, **of, **data)

    async def _by_hand(self, act: Act, coupons: dict[str, tuple[UUID, str]]) -> None:
        coupon_id, _ = coupons.get(act.coupon or "", (None, ""))
        asked = ByHand(
            partner_id=self.partner_id, customer_id=act.who, source=HTTP, event_id=f"{act.name}@{self.partner_id}"
        )  # fmt: skip
        database, deciding = self.shop.database, Deciding(self.manner)
        transaction = database.transaction()
        await transaction.start()
        answer: object = None
        if act.kind == "http.redeem":
            answer = await redeem(database, asked, deciding, rule_id=self.rules[act.rule], points=act.points)  # fmt: skip
        elif act.kind == "book":
            answer = await book_points(database, asked, deciding, transaction_id=act.name, amount=act.points or 0, reason=None)  # fmt: skip
        elif coupon_id is not None and act.kind == "http.undo":
            answer = await undo(database, asked, deciding, coupon_id=str(coupon_id))
        elif coupon_id is not None:
            await self._step(act, str(coupon_id))
        if act.kind.startswith("http") and not isinstance(answer, (Redeemed, Undone)):
            self.refused.add(act.name)
        await (transaction.rollback() if isinstance(answer, str) else transaction.commit())

    async def _step(self, act: Act, coupon_id: str) -> None:
        shop_id = await self.shop.database.fetchval(
            "SELECT id FROM shops WHERE partner_id = $1", self.partner_id
        )
        step = StepRequest(
            coupon_id=coupon_id, step=Step(act.kind), shop_id=shop_id, actor="till", reserve_for=timedelta(hours=20)
        )  # fmt: skip
        await take_step(self.shop.database, step, self.manner)
