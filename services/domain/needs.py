"""What an event needs, to be decided: the one place that says so. Whoever loads for the rules obeys it.

First the rules that it names, which can be asked for before anything is loaded; the rest follows from those.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

from services.domain.coupons.codes import parse
from services.domain.events import Event, GameCompleted, OrderPlaced, OrderReversed
from services.domain.program import NO_LIMITS, Game, Program


class Named(NamedTuple):
    """The rules that an event names: a game, or all stamp games of a partner."""

    game_id: int | None = None
    stamps_of: int | None = None
    skus: frozenset[str] = frozenset()
    """Of that partner's products, where such a game asks for products."""


NO_RULES = Named()


def names(event: Event) -> Named:
    """Which rules decide this event, as far as it says so itself."""
    match event:
        case GameCompleted():
            return Named(event.game_id)
        case OrderPlaced():
            return Named(None, event.partner_id, event.skus)
        case OrderReversed():
            return NO_RULES
        case _:
            assert_never(event)


class Needs(NamedTuple):
    """A named tuple, and made once per event: they come by the thousand."""

    draws: int = 0
    """The most coupons it can earn."""
    looks_at: tuple[Game, ...] = ()
    """Games whose rules look at the coupons that the customer has had."""
    limited: tuple[int, ...] = ()
    """Games with a limit for all customers together that it may take a coupon from."""
    order_id: str | None = None
    """The order whose reversal and stamps it may come upon, and with it the customer's cards."""
    codes: tuple[str, ...] = ()
    """Stored codes whose coupons it may use."""
    gives_back: bool = False
    """It may give back what its order has used: the coupons, under their games' rules of now."""


A_DRAW = Needs(draws=1)


def needs(event: Event, program: Program) -> Needs:
    """What this event needs under these rules."""
    match event:
        case GameCompleted():
            game = program.game_of(event.partner_id, event.game_id)
            if game is None:
                return A_DRAW
            if game.total_limit is None and not looks_at_coupons(game):
                return A_DRAW
            return Needs(
                draws=1,
                looks_at=(game,) if looks_at_coupons(game) else (),
                limited=(game.id,) if game.total_limit is not None else (),
            )
        case OrderPlaced():
            stamped = program.stamp_games(event.partner_id)
            return Needs(
                draws=len(stamped),
                looks_at=tuple(game for game in stamped if looks_at_coupons(game)),
                limited=tuple(game.id for game in stamped if game.total_limit is not None),
                order_id=event.order_id,
                codes=tuple(read[1] for text in event.coupon_codes if (read := parse(text))),
            )
        case OrderReversed():
            return Needs(order_id=event.order_id, gives_back=True)
        case _:
            assert_never(event)


def looks_at_coupons(game: Game) -> bool:
    """Whether a rule of the game asks which coupons the customer has, or has had."""
    return not game.allow_multiple_active_coupons or game.customer_limits is not NO_LIMITS
