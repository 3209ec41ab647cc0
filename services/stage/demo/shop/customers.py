"""Customers by the demo's own arithmetic: what each has bought, holds and owes."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.stage.demo.shop.coupons import Coupon
from services.stage.demo.shop.lots import Lot


@dataclass(slots=True, kw_only=True)
class Order:
    """`cents` were paid. `points` came by rate, in `lot`; `bonus` is the lot of a big basket's reward, if any."""

    cents: int
    points: int
    lot: Lot | None
    bonus: Lot | None
    back: int = 0


@dataclass(slots=True, kw_only=True)
class Customer:
    """`tier`: its place in `TIERS`. `reached`: those whose rewards were given, once for ever. `coupons`: by name."""

    brought_by: str | None
    lots: list[Lot] = field(default_factory=list)
    owed: int = 0
    cents: int = 0
    tier: int = 0
    reached: set[int] = field(default_factory=set)
    orders: dict[str, Order] = field(default_factory=dict)
    coupons: dict[str, Coupon] = field(default_factory=dict)
    friends: int = 0

    @property
    def points(self) -> int:
        return sum(lot.left for lot in self.lots)
