"""Stamps: what orders put on a customer's cards, the card that is full, and taking a stamp back.

A family of the customer's state, its effects, and its rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import assert_never

from services.domain.coupons.effects import CouponEffect
from services.domain.coupons.held import Coupons
from services.domain.coupons.issuing import Draw, Quota, complete
from services.domain.events import OrderPlaced
from services.domain.program import Game, Program
from services.domain.values import quickly_made, replaced


@quickly_made(frozen=True, slots=True, kw_only=True)
class StampCard:
    """The card being filled: cards of a customer and game are numbered from 1."""

    card_no: int = 1
    stamps: int = 0


@quickly_made(frozen=True, slots=True, kw_only=True)
class Stamp:
    """An order's stamp in a game: on which card, whether this customer's, whether it still counts."""

    card_no: int
    is_mine: bool = True
    is_in_effect: bool = True


@quickly_made(frozen=True, slots=True, kw_only=True)
class Stamps:
    """`cards` by game. `of_orders` by (order id, game id): the stamps of the orders at hand, other customers' among
    them."""

    cards: Mapping[int, StampCard] = field(default_factory=dict)
    of_orders: Mapping[tuple[str, int], Stamp] = field(default_factory=dict)

    def card(self, game_id: int) -> StampCard:
        """The card the customer is filling; an empty first one for who has none yet."""
        return self.cards.get(game_id, StampCard())


NO_STAMPS = Stamps()


@quickly_made(frozen=True, slots=True, kw_only=True)
class AddStamp:
    """Stamp a card for an order. The stamp that fills card `card_no` leaves card `card_no` + 1 with none."""

    game_id: int
    order_id: str
    card_no: int
    stamps: int
    fills_card: bool

    @property
    def card(self) -> StampCard:
        """The card being filled after it."""
        if self.fills_card:
            return StampCard(card_no=self.card_no + 1)
        return StampCard(card_no=self.card_no, stamps=self.stamps)


@quickly_made(frozen=True, slots=True, kw_only=True)
class TakeStampBack:
    """Undo an order's stamp; `stamps` are left on the card."""

    game_id: int
    order_id: str
    card_no: int
    stamps: int

    @property
    def card(self) -> StampCard:
        """The card being filled after it."""
        return StampCard(card_no=self.card_no, stamps=self.stamps)


StampEffect = AddStamp | TakeStampBack


def after(stamps: Stamps, effect: StampEffect) -> Stamps:
    """The stamps and cards after one effect."""
    place = (effect.order_id, effect.game_id)
    match effect:
        case AddStamp():
            stamp = Stamp(card_no=effect.card_no)
        case TakeStampBack():
            stamp = replaced(stamps.of_orders[place], is_in_effect=False)
        case _:
            assert_never(effect)
    return replaced(
        stamps,
        of_orders={**stamps.of_orders, place: stamp},
        cards={**stamps.cards, effect.game_id: effect.card},
    )


def laid_over(stored: Stamps, changes: Stamps) -> Stamps:
    """What is stored with the changes on top."""
    return replaced(
        stored,
        cards={**stored.cards, **changes.cards},
        of_orders={**stored.of_orders, **changes.of_orders},
    )


def stamped_games(event: OrderPlaced, program: Program, stamps: Stamps) -> list[Game]:
    """The stamp games this order qualifies for and has not stamped yet, whatever event told of it."""
    stamping = program.stamp_games(event.partner_id)
    if not stamping:
        return []
    bought = event.product_ids | program.products_of(event.partner_id, event.skus)
    return [
        game
        for game in stamping
        if game.is_open(event.occurred_at)
        and (not game.product_ids or not bought.isdisjoint(game.product_ids))
        and (event.order_id, game.id) not in stamps.of_orders
    ]


def add_stamp(
    game: Game,
    event: OrderPlaced,
    stamps: Stamps,
    coupons: Coupons,
    quota: Quota,
    *,
    at: datetime,
    draw: Draw,
) -> tuple[StampEffect | CouponEffect, ...]:
    """One stamp; the one that fills the card completes the game, and the count starts again either way."""
    card = stamps.card(game.id)
    count = card.stamps + 1
    fills_card = count >= game.stamps_required
    add = AddStamp(
        game_id=game.id,
        order_id=event.order_id,
        card_no=card.card_no,
        stamps=count,
        fills_card=fills_card,
    )
    return (add, *complete(game, coupons, quota, at=at, draw=draw)) if fills_card else (add,)


def stamps_taken_back(order_id: str, stamps: Stamps) -> list[TakeStampBack]:
    """The order's own stamps on cards that are not full yet."""
    taken = []
    for (stamped_order_id, game_id), stamp in sorted(stamps.of_orders.items()):
        card = stamps.card(game_id)
        if (
            stamped_order_id == order_id
            and stamp.is_mine
            and stamp.is_in_effect
            and stamp.card_no == card.card_no
        ):
            taken.append(
                TakeStampBack(
                    game_id=game_id,
                    order_id=order_id,
                    card_no=card.card_no,
                    stamps=card.stamps - 1,
                )
            )
    return taken
