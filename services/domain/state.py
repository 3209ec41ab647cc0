"""What the rules need to know of one customer, in families, and how effects change it.

A family is what belongs together: its state, its effects, its `after`. Here they are only put together. Nothing is
built anew field by field: what no effect concerns stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from services.domain import closed_orders, stamps
from services.domain.closed_orders import NO_ORDERS, ClosedOrders, CloseOrder
from services.domain.coupons import held
from services.domain.coupons.effects import ChangeCoupon, DeclineIssuance, IssueCoupon
from services.domain.coupons.held import NO_COUPONS, Coupons
from services.domain.decision import Effect
from services.domain.stamps import NO_STAMPS, AddStamp, Stamps, TakeStampBack


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerState:
    """One customer, as far as the events at hand can touch."""

    coupons: Coupons = NO_COUPONS
    stamps: Stamps = NO_STAMPS
    orders: ClosedOrders = NO_ORDERS


NEW_CUSTOMER = CustomerState()


def evolve(state: CustomerState, effects: Iterable[Effect]) -> CustomerState:
    """The customer after these effects, so that later events of the same batch see earlier ones."""
    for effect in effects:
        match effect:
            case IssueCoupon() | ChangeCoupon() | DeclineIssuance():
                state = replace(state, coupons=held.after(state.coupons, effect))
            case AddStamp() | TakeStampBack():
                state = replace(state, stamps=stamps.after(state.stamps, effect))
            case CloseOrder():
                state = replace(state, orders=closed_orders.after(state.orders, effect))
            case _:
                assert_never(effect)
    return state


def laid_over(stored: CustomerState, changes: CustomerState) -> CustomerState:
    """The stored state with changes on top that nobody records; where both know a thing, the change is newer.

    A run in memory loads, for each batch, only what that batch's events can touch, so the changes of earlier batches
    cannot be applied to a state and kept as one: each new state is loaded anew, and the changes so far go on top.
    """
    return replace(
        stored,
        coupons=held.laid_over(stored.coupons, changes.coupons),
        stamps=stamps.laid_over(stored.stamps, changes.stamps),
        orders=closed_orders.laid_over(stored.orders, changes.orders),
    )


def with_effects(
    changes: CustomerState, before: CustomerState, effects: Iterable[Effect]
) -> CustomerState:
    """The changes and those of one more decision, which was made upon `before` (see `laid_over`)."""
    effects = tuple(effects)
    # The one effect that changes what is there instead of replacing it.
    places = [(e.order_id, e.game_id) for e in effects if isinstance(e, TakeStampBack)]
    if places:
        touched = Stamps(of_orders={place: before.stamps.of_orders[place] for place in places})
        changes = replace(changes, stamps=stamps.laid_over(touched, changes.stamps))
    return evolve(changes, effects)
