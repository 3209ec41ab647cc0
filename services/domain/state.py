"""What the rules need to know of one customer, and how effects change it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from services.domain.coupons.coupon import OPEN_STATUSES, Coupon, CouponStatus
from services.domain.decision import (
    AddStamp,
    ChangeCoupon,
    CloseOrder,
    DeclineIssuance,
    Effect,
    IssueCoupon,
    TakeStampBack,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StampCard:
    """The card being filled: cards of a customer and game are numbered from 1."""

    card_no: int = 1
    stamps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """An order's stamp in a game: on which card, whether this customer's, whether it still counts."""

    card_no: int
    is_mine: bool = True
    is_in_effect: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerState:
    """One customer, as far as the events at hand can touch.

    `coupons` by id: the holders of single places, and coupons named by an order's codes or redeemed by it.
    `foreign_codes`: codes named that belong to another customer of the partner. `stamps` by (order id, game id),
    other customers' among them. `reversed_orders`: ids of this customer's. `issues` by capped game: instants of past
    issues, newest first, no more than the largest cap needs.
    """

    coupons: Mapping[str, Coupon] = field(default_factory=dict)
    foreign_codes: frozenset[str] = frozenset()
    cards: Mapping[int, StampCard] = field(default_factory=dict)
    stamps: Mapping[tuple[str, int], Stamp] = field(default_factory=dict)
    reversed_orders: frozenset[str] = frozenset()
    issues: Mapping[int, tuple[datetime, ...]] = field(default_factory=dict)

    def holder(self, game_id: int) -> Coupon | None:
        """The open coupon that holds the customer's single place in this game, its time over or not."""
        for coupon in self.coupons.values():
            if (
                coupon.game_id == game_id
                and coupon.holds_single_place
                and coupon.status in OPEN_STATUSES
            ):
                return coupon
        return None

    def coupon_of_code(self, code: str) -> Coupon | None:
        """The customer's coupon of this stored code, if it was loaded."""
        return next((coupon for coupon in self.coupons.values() if coupon.code == code), None)


NEW_CUSTOMER = CustomerState()


def evolve(state: CustomerState, effects: Iterable[Effect]) -> CustomerState:
    """The customer after these effects, so that later events of the same batch see earlier ones."""
    coupons, cards, stamps = dict(state.coupons), dict(state.cards), dict(state.stamps)
    issues, reversed_orders = dict(state.issues), state.reversed_orders
    for effect in effects:
        match effect:
            case IssueCoupon():
                coupons[effect.coupon_id] = issued(effect)
                issues[effect.game_id] = (effect.issued_at, *issues.get(effect.game_id, ()))
            case ChangeCoupon():
                coupons[effect.coupon.id] = effect.coupon
            case AddStamp():
                stamps[effect.order_id, effect.game_id] = Stamp(card_no=effect.card_no)
                cards[effect.game_id] = (
                    StampCard(card_no=effect.card_no + 1)
                    if effect.fills_card
                    else StampCard(card_no=effect.card_no, stamps=effect.stamps)
                )
            case TakeStampBack():
                place = (effect.order_id, effect.game_id)
                stamps[place] = replace(stamps[place], is_in_effect=False)
                cards[effect.game_id] = StampCard(card_no=effect.card_no, stamps=effect.stamps)
            case CloseOrder():
                reversed_orders |= {effect.order_id}
            case DeclineIssuance():
                pass
            case _:
                assert_never(effect)
    return CustomerState(
        coupons=coupons,
        foreign_codes=state.foreign_codes,
        cards=cards,
        stamps=stamps,
        reversed_orders=reversed_orders,
        issues=issues,
    )


def issued(issue: IssueCoupon) -> Coupon:
    """The coupon as it begins."""
    return Coupon(
        id=issue.coupon_id,
        code=issue.code,
        code_prefix=issue.code_prefix,
        game_id=issue.game_id,
        status=CouponStatus.ACTIVE,
        issued_at=issue.issued_at,
        expires_at=issue.expires_at,
        holds_single_place=not issue.allow_multiple_active_coupons,
    )
