"""Orders that count no more: a family of the customer's state.

Only that an order was reversed can matter to what arrives later: that it was placed is in its decision.
"""

from __future__ import annotations

from dataclasses import replace

from services.domain.values import quickly_made


@quickly_made(frozen=True, slots=True, kw_only=True)
class ClosedOrders:
    """`reversed`: ids of this customer's orders, as far as the events at hand name them."""

    reversed: frozenset[str] = frozenset()


NO_ORDERS = ClosedOrders()


@quickly_made(frozen=True, slots=True, kw_only=True)
class CloseOrder:
    """Remember that the customer's order was reversed: whatever arrives about it later changes nothing."""

    order_id: str


def after(orders: ClosedOrders, effect: CloseOrder) -> ClosedOrders:
    """The orders after one effect."""
    return replace(orders, reversed=orders.reversed | {effect.order_id})


def laid_over(stored: ClosedOrders, changes: ClosedOrders) -> ClosedOrders:
    """What is stored with the changes on top."""
    return replace(stored, reversed=stored.reversed | changes.reversed)
