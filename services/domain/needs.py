"""What an event needs, to be decided: the one place that says so. Whoever loads for the rules obeys it.

The rules that are named (`games`, `stamps_of`) are the same whatever the program holds, so that they can be asked for
before anything is loaded; the rest follows from the program.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

from services.domain.coupons.codes import parse
from services.domain.events import Event, GameCompleted, OrderPlaced, OrderReversed
from services.domain.program import NO_LIMITS, Game, Program


class Needs(NamedTuple):
    """A named tuple: one is made for every event, several times."""

    games: tuple[int, ...] = ()
    """Games that the event names."""
    stamps_of: int | None = None
    """The partner whose stamp games its order may stamp."""
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


def needs(event: Event, program: Program) -> Needs:
    """What this event needs under these rules."""
    match event:
        case GameCompleted():
            game = program.game_of(event.partner_id, event.game_id)
            if game is None:
                return Needs(games=(event.game_id,), draws=1)
            return Needs(
                games=(event.game_id,),
                draws=1,
                looks_at=(game,) if looks_at_coupons(game) else (),
                limited=(game.id,) if game.total_limit is not None else (),
            )
        case OrderPlaced():
            stamped = program.stamp_games(event.partner_id)
            return Needs(
                stamps_of=event.partner_id,
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
