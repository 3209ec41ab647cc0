"""What an event needs, to be decided: the one place that says so. Whoever loads for the rules obeys it.

First the rules that it names, which can be asked for before anything is loaded; the rest follows from those.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

from services.domain.coupons.codes import parse
from services.domain.events import (
    Birthday,
    CardHandedOver,
    CustomerDescribed,
    CustomerDid,
    Event,
    GameCompleted,
    OrderPlaced,
    OrderReversed,
    PointsBooked,
    PointsRedeemRequested,
    ReferralCompleted,
    UndoRequested,
)
from services.domain.program import NO_LIMITS, Game, Program
from services.domain.triggers import BIRTHDAY, GAME_COMPLETED, PLACE_ORDER, SIGN_UP


class Named(NamedTuple):
    """The rules that an event names: a game, or all stamp games of a partner; its partner's program always."""

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
        case CustomerDescribed() | CustomerDid() | ReferralCompleted() | Birthday():
            return NO_RULES
        case PointsBooked() | CardHandedOver() | PointsRedeemRequested() | UndoRequested():
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
    external_codes: tuple[str, ...] = ()
    """The same as they are written: partners may have brought them."""
    groups: tuple[str, ...] = ()
    """Handles of groups of its partner's that it may earn coupons of, one for each."""
    gives_back: bool = False
    """It may give back what its order has used: the coupons, under their games' rules of now."""
    takes_points: bool = False
    """It may take points, from whatever lot is open."""
    account: bool = False
    """Who the customer is, and what the program knows of them: profile, wallet, lots that are over, tier, campaigns;
    and of an order what it has earned."""
    referrer: str | None = None
    """Another customer of the partner, of whom it asks whether they are registered."""
    coupon_id: str | None = None
    """A coupon of which it asks whether it is the customer's, and what points it was bought with."""


NOTHING = Needs()
A_DRAW = Needs(draws=1)


def needs(event: Event, program: Program) -> Needs:
    """What this event needs under these rules."""
    wanted = _needs(event, program)
    partner = program.of_partner(event.partner_id)
    if partner is None:
        return wanted
    name = trigger_name(event)
    groups = partner.groups_granted(name)
    if isinstance(event, PointsRedeemRequested):
        groups += partner.groups_of_rule(event.rule_id)
    written = event.coupon_codes if isinstance(event, OrderPlaced) else ()
    # In the order of the fields: to name each takes twice as long.
    return Needs(
        wanted.draws + partner.most_coupons(name), wanted.looks_at, wanted.limited,
        wanted.order_id, wanted.codes, written, groups, wanted.gives_back, wanted.takes_points,
        True, wanted.referrer, wanted.coupon_id,
    )  # fmt: skip


def trigger_name(event: Event) -> str | None:
    """As what triggers see it; None where it is only ever told to ourselves."""
    match event:
        case GameCompleted():
            return GAME_COMPLETED
        case OrderPlaced() | OrderReversed():
            return PLACE_ORDER
        case CustomerDescribed():
            return SIGN_UP
        case CustomerDid():
            return event.name
        case Birthday():
            return BIRTHDAY
        case ReferralCompleted() | PointsBooked() | CardHandedOver():
            return None
        case PointsRedeemRequested() | UndoRequested():
            return None
        case _:
            assert_never(event)


def _needs(event: Event, program: Program) -> Needs:
    """Without a program."""
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
            codes = [read[1] for text in event.coupon_codes if (read := parse(text))]
            if not stamped:
                return Needs(order_id=event.order_id, codes=tuple(codes))
            return Needs(
                draws=len(stamped),
                looks_at=tuple(game for game in stamped if looks_at_coupons(game)),
                limited=tuple(game.id for game in stamped if game.total_limit is not None),
                order_id=event.order_id,
                codes=tuple(codes),
            )
        case OrderReversed():
            return Needs(order_id=event.order_id, gives_back=True, takes_points=True)
        case CustomerDescribed():
            return Needs(account=True, referrer=event.referred_by)
        case PointsBooked() | CardHandedOver():
            return Needs(account=True, takes_points=True)
        case PointsRedeemRequested():
            return Needs(draws=1, account=True, takes_points=True)
        case UndoRequested():
            return Needs(account=True, takes_points=True, coupon_id=event.coupon_id)
        case CustomerDid() | ReferralCompleted() | Birthday():
            return NOTHING
        case _:
            assert_never(event)


def looks_at_coupons(game: Game) -> bool:
    """Whether a rule of the game asks which coupons the customer has, or has had."""
    return not game.allow_multiple_active_coupons or game.customer_limits is not NO_LIMITS
