"""A shop with a program on the real database: what happens is read from records, decided, recorded and looked at.

Days pass by the offset of the database's clock.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from schemas.partners.cards import read_card
from services.adapters.postgres.cards import insert_card
from services.adapters.postgres.failures import Kind, kind_of
from services.adapters.postgres.pool import Connection
from services.decisions.accounts_by_hand import Booked, ByHand, book_points
from services.decisions.manner import Manner, Writing
from services.decisions.transaction import Deciding
from services.domain.arrival import Incoming
from services.issuer.codec import read_record
from services.issuer.pipeline import LOST_RACES_IN_A_ROW
from tests.stand.telling import a_program, ordered, refunded, told, wallet_of

BASE: dict[str, Any] = {
    "settings": {"currency": "EUR"},
    "cashback": {
        "defaultCashbackRule": {
            "amountRewardThreshold": 1,
            "rewardWalletFactor": 1,
            "rewardRankFactor": 1,
        }
    },
    "redemption": {"defaultRule": {"valueOfPoint": Decimal("0.1")}},
}
_TEXTS = {"title": {"en": "Card", "lt": "Kortelė"}, "description": {}, "terms_conditions": {}}


def rate(threshold: str, points: str) -> dict[str, Any]:
    """A default rule as the section `cashback`."""
    rule = {"amountRewardThreshold": Decimal(threshold), "rewardWalletFactor": Decimal(points)}
    return {"defaultCashbackRule": rule | {"rewardRankFactor": 1}}


def line(price: str, *, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {"unit_price": price, "quantity": quantity, **more}


def incoming(record: ConsumerRecord) -> Incoming:
    """The event of a record that has one."""
    found = read_record(record)
    assert isinstance(found, Incoming), found
    return found


async def decide(
    connection: Connection, deciding: Deciding, records: Sequence[ConsumerRecord]
) -> int:
    """One batch in one transaction, again after a lost race; how many of it were decided for the first time."""
    arrivals = [incoming(each) for each in records]
    for attempt in count():
        try:
            async with connection.transaction():
                decided = await deciding.decide(connection, arrivals)
                assert not decided.unfounded
                assert not decided.too_early
                await deciding.record(connection, decided)
            return len(decided.verdicts)
        except Exception as error:
            if kind_of(error) is not Kind.LOST_RACE or attempt == LOST_RACES_IN_A_ROW:
                raise
    raise AssertionError("unreachable")


@dataclass(slots=True, kw_only=True)
class RealShop:
    """One partner. What happens, happens now plus so many `days`."""

    connection: asyncpg.Connection
    partner_id: int
    days: float = 0
    deciding: Deciding = field(default_factory=lambda: Deciding(Manner()))
    _numbers: Any = field(default_factory=count)

    @property
    def manner(self) -> Manner:
        writing = Writing(expiring_leads_hours=(24,), points_leads_hours=(168,))
        return Manner(clock_offset=timedelta(days=self.days), writing=writing)

    async def set(self, **sections: Any) -> int:
        """These sections of the program, the base where none is given; its version."""
        return (await a_program(self.connection, self.partner_id, **(sections or BASE))).version

    async def decide(self, records: Sequence[ConsumerRecord]) -> int:
        """One batch; how many of it were decided for the first time."""
        self.deciding.manner = replace(self.manner, drawing=self.deciding.manner.drawing)
        return await decide(self.connection, self.deciding, records)

    async def happens(self, type_: str, customer: str = "anna", **data: Any) -> None:
        """An event of now."""
        at = data.pop("at", None) or datetime.now(UTC) + timedelta(days=self.days)
        await self.decide([told(type_, customer, partner_id=self.partner_id, at=at, **data)])

    async def order(
        self, total: str, *, customer: str = "anna", order_id: str = "", **more: Any
    ) -> int:
        """The points that it earns by rate."""
        order_id = order_id or f"o-{next(self._numbers)}"
        if "codes" in more:
            more["coupon_codes"] = more.pop("codes")
        more.setdefault("lines", [line(total)])
        await self.decide([ordered(order_id, total, customer, partner_id=self.partner_id, **more)])
        points = await self.connection.fetchval(
            "SELECT points FROM purchases WHERE order_id = $1", order_id
        )
        return points or 0

    async def refund(self, total: str | None, order_id: str, *, customer: str = "anna") -> int:
        """The points that the balance falls by."""
        before = (await self.wallet(customer)).get("balance", 0)
        await self.decide([refunded(order_id, total, customer, partner_id=self.partner_id)])
        return int(before - (await self.wallet(customer)).get("balance", 0))

    async def register(self, customer: str = "anna", **told_: Any) -> None:
        await self.happens("customer.created", customer, **told_)

    async def did(self, name: str, *, customer: str = "anna", **more: Any) -> None:
        await self.happens("customer.event", customer, name=name, **more)

    async def follow(self) -> None:
        """What the outbox tells ourselves comes back as events."""
        rows = await self.connection.fetch(
            "SELECT ce_id, ce_type, key, value FROM outbox WHERE topic = 'follow-ups' ORDER BY id"
        )
        for row in rows:
            data = json.loads(row["value"])
            known = {
                "partner_id": self.partner_id,
                "event_id": row["ce_id"],
                "source": "/couponry/follow-ups",
            }
            rest = {
                name: each
                for name, each in data.items()
                if name not in {"partner_id", "customer_id"}
            }
            await self.decide([told(row["ce_type"], data["customer_id"], **known, **rest)])

    async def spend(self, points: int, *, customer: str = "anna") -> None:
        """By hand: that needs no rule of redemption."""
        name = f"by-hand-{next(self._numbers)}"
        asked = ByHand(
            partner_id=self.partner_id, customer_id=customer, source="/hand", event_id=name
        )
        async with self.connection.transaction():
            booked = await book_points(
                self.connection,
                asked,
                Deciding(self.manner),
                transaction_id=name,
                amount=-points,
                reason=None,
            )
        assert isinstance(booked, Booked)

    async def rule(self, **fields: Any) -> int:
        """The id of the only redemption rule beside the default one; points end after so many `days`."""
        days = fields.pop("days", None)
        fields = {
            "ruleType": "percentage_discount_settings",
            "coupon": {"discountValue": 10},
        } | fields
        section = BASE["redemption"] | {"pointsExpiryPeriod": days, "rules": [fields]}
        changed = await a_program(
            self.connection, self.partner_id, **BASE | {"redemption": section}
        )
        return int(changed.after.redemption.rules[0].id or 0)

    async def default_rule(self) -> int:
        """Its id."""
        return int(
            await self.connection.fetchval(
                "SELECT sections #>> '{redemption,defaultRule,id}' FROM programs WHERE partner_id = $1",
                self.partner_id,
            )
        )

    async def redeem(self, rule_id: int, points: int | None = None) -> dict[str, Any]:
        """What was decided."""
        await self.happens("points.redeem-requested", rule_id=rule_id, points=points)
        return await self.last()

    async def undo(self, coupon_id: Any) -> str | None:
        """Why not; None if the points are back."""
        await self.happens("points.undo-requested", coupon_id=str(coupon_id))
        reason: str | None = (await self.last())["reason"]
        return reason

    async def card(self, **settings: Any) -> int:
        """A card that who registers is given."""
        return (
            await insert_card(
                self.connection, self.partner_id, read_card(_TEXTS | {"card_design": {}} | settings)
            )
        ).id

    async def wallet(self, customer: str = "anna") -> dict[str, Any]:
        return await wallet_of(self.connection, customer)

    async def last(self) -> dict[str, Any]:
        """The decision made last, its codes and program read."""
        row = await self.connection.fetchrow("SELECT * FROM decisions ORDER BY seq DESC LIMIT 1")
        assert row is not None
        found = dict(row)
        for name in ("codes", "program"):
            found[name] = json.loads(found[name]) if found[name] else None
        return found

    async def discounts(self) -> list[Decimal]:
        """Of the decision made last."""
        return [Decimal(each["amount"]) for each in (await self.last())["program"]["discounts"]]

    async def reasons(self) -> list[str | None]:
        """Of the codes of the decision made last."""
        return [each["reason"] for each in (await self.last())["codes"]]

    async def given(self, **terms: Any) -> str:
        """The code of a coupon of these terms that anna is granted; its campaign takes the place of any other."""
        event = f"gift {next(self._numbers)}"
        await self.set(
            campaigns=[
                {
                    "name": event,
                    "type": "EventBased",
                    "trigger": {"eventName": event},
                    "rewards": [{"couponReward": terms}],
                }
            ]
        )
        await self.did(event)
        return str((await self.coupons())[-1]["shown"])

    async def coupons(self, customer: str = "anna") -> list[asyncpg.Record]:
        """Theirs that no game issued, the oldest first; `shown` is what they type."""
        return list(
            await self.connection.fetch(
                "SELECT c.*, c.code AS shown FROM coupons c JOIN customers USING (customer_no)"
                " JOIN outbox o ON o.ce_id = c.id::text || '.issued'"
                " WHERE customer_id = $1 AND game_id IS NULL ORDER BY o.id",
                customer,
            )
        )
