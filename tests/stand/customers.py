"""Customers as the rules see them, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.domain.closed_orders import ClosedOrders
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.held import Coupons
from services.domain.stamps import Stamp, StampCard, Stamps
from services.domain.state import CustomerState


def a_customer(
    *,
    coupons: Mapping[str, Coupon] | None = None,
    foreign_codes: frozenset[str] = frozenset(),
    foreign_external_codes: frozenset[str] = frozenset(),
    issues: Mapping[int, tuple[datetime, ...]] | None = None,
    stamps: Mapping[tuple[str, int], Stamp] | None = None,
    cards: Mapping[int, StampCard] | None = None,
    reversed_orders: frozenset[str] = frozenset(),
) -> CustomerState:
    """A state with these things in its families, and nothing else."""
    return CustomerState(
        coupons=Coupons(
            by_id=coupons or {},
            foreign_codes=foreign_codes,
            foreign_external_codes=foreign_external_codes,
            issues=issues or {},
        ),
        stamps=Stamps(cards=cards or {}, of_orders=stamps or {}),
        orders=ClosedOrders(reversed=reversed_orders),
    )
