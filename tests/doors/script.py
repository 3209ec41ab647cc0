"""What is played through every door: acts over all kinds of games, one list written by hand and others drawn from a seed.

A coupon is named by the event that earned it, `event@game` where an order filled a card: an order may fill several.
A code that names no coupon stands in the order as it is written here, so nobody knows it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from services.domain.coupons.coupon import Step
from tests.insight.what_if.script import Event, Poll, Rules, Staff

GAMES: Mapping[str, Mapping[str, Any]] = {
    "single": {"allow_multiple_active_coupons": False, "coupon_validity_days": 7},
    "multiple": {"allow_multiple_active_coupons": True, "coupon_validity_days": None, "code_prefix": "SUMMER"},
    "daily": {
        "allow_multiple_active_coupons": True, "coupon_validity_days": 3, "customer_limit_per_day": 2,
        "customer_limit": 4,
    },
    "few": {"allow_multiple_active_coupons": True, "coupon_validity_days": 30, "total_limit": 6},
    "cards": {
        "game_type": "stamps", "stamps_required": 2, "allow_multiple_active_coupons": False, "coupon_validity_days": 7,
    },
    "beans": {
        "game_type": "stamps", "stamps_required": 3, "allow_multiple_active_coupons": True, "coupon_validity_days": 30,
        "product_ids": [0], "customer_limit": 1,
    },
    "closed": {"is_active": False},
    "coming": {"start_date": "2027-06-01"},
    "over": {"end_date": "2027-02-01"},
}  # fmt: skip
"""By name. Products are given by their places."""
UNKNOWN = "unknown"
"""A game that nobody has."""

POISON: Mapping[str, str] = {
    "poison.header": "no id in its headers", "poison.decode": "no JSON", "poison.schema": "no customer",
    "poison.time": "an hour ahead of the clock",
}  # fmt: skip
"""Kinds of records that cannot be decided."""
UNSTORABLE = "unstorable"
"""A kind: a won game like any other, whose decision the database refuses."""

RESERVED_FOR = timedelta(minutes=15)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """Staff give a coupon of a game."""

    after: timedelta
    name: str
    customer: str
    game: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The sweeper comes by."""

    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A partner asks for points to be redeemed or given back, at once: `event` says the same."""

    after: timedelta
    event: Event


Act = Poll | Staff | Rules | ByHand | Sweep | Ask
Script = list[Act]


def poll(minutes: int, *events: Event) -> Poll:
    """What comes at once."""
    return Poll(after=timedelta(minutes=minutes), events=events)


_OF_THE_RULES = {Step.EXPIRED, Step.USED}
"""Steps that nobody asks for: what time does, and a redemption that leaves a use."""


def staff(minutes: int, step: Step, coupon: str, shop: int = 0) -> Staff:
    """A step at the till."""
    return Staff(after=timedelta(minutes=minutes), event=coupon, step=step, shop=shop)


def by_hand(minutes: int, name: str, customer: str, game: str) -> ByHand:
    """A coupon by hand."""
    return ByHand(after=timedelta(minutes=minutes), name=name, customer=customer, game=game)


def sweep(minutes: int) -> Sweep:
    """The sweeper, that much later."""
    return Sweep(after=timedelta(minutes=minutes))


def won(name: str, customer: str, game: str, kind: str = "game.completed") -> Event:
    """A game that was won."""
    return Event(name=name, kind=kind, customer=customer, game=game)


def lost(name: str, customer: str, game: str) -> Event:
    """A game that was lost."""
    return replace(won(name, customer, game), won=False)


def bought(
    name: str, customer: str, order: str, *codes: str, products: tuple[int, ...] = (), shop: int | None = None
) -> Event:  # fmt: skip
    """An order with these coupons."""
    return Event(
        name=name, kind="order.placed", customer=customer, order=order, codes=codes, products=products, shop=shop
    )  # fmt: skip


def undone(name: str, customer: str, order: str, kind: str = "order.cancelled") -> Event:
    """An order that was reversed: cancelled, or `order.refunded` in part."""
    return Event(name=name, kind=kind, customer=customer, order=order)


REDEEM, UNDO = "points.redeem-requested", "points.undo-requested"


def redeems(name: str, customer: str, rule: str) -> Event:
    """A coupon for points, by the redemption rule of that name."""
    return Event(name=name, kind=REDEEM, customer=customer, game=rule)


def gives_back(name: str, customer: str, coupon: str) -> Event:
    """A coupon for the points that it was bought with."""
    return Event(name=name, kind=UNDO, customer=customer, codes=(coupon,))


def asks(minutes: int, event: Event) -> Ask:
    """The same by hand."""
    return Ask(after=timedelta(minutes=minutes), event=event)


def spaced(acts: Iterable[Act]) -> Script:
    """The same, moved on by minutes where an act would fall on the very instant at which something ends.

    Whether it came before or after would be a matter of milliseconds: no two doors need agree on that.
    """
    script: Script = []
    at, before = timedelta(), [timedelta()]
    for act in acts:
        after = act.after
        while any(_is_an_end(at + after - moment) for moment in before):
            after += timedelta(minutes=1)
        script.append(replace(act, after=after))
        at += after
        before.append(at)
    return script


def _is_an_end(since: timedelta) -> bool:
    return since == RESERVED_FOR or (since > timedelta() and not since % DAY)


MINUTES_OF_A_WEEK = 7 * 24 * 60
ANNA, BERT, CARL, DORA = "anna", "bert", "carl", "dora"
_TWICE = won("anna-wins", ANNA, "single")

WHOLE = spaced([
    # What a game may come to, and what cannot be read.
    poll(
        1, _TWICE, won("anna-again", ANNA, "single"), lost("anna-loses", ANNA, "single"),
        won("anna-nowhere", ANNA, UNKNOWN), won("anna-closed", ANNA, "closed"), won("anna-coming", ANNA, "coming"),
        won("anna-over", ANNA, "over"), _TWICE, won("header", ANNA, "single", "poison.header"),
        won("decode", BERT, "single", "poison.decode"), won("bert-many", BERT, "multiple"),
        won("schema", CARL, "single", "poison.schema"), won("bert-more", BERT, "multiple"),
        won("time", BERT, "single", "poison.time"), won("bert-wins", BERT, "single"),
        won("refused", BERT, "multiple", UNSTORABLE), won("carl-1", CARL, "daily"), won("carl-2", CARL, "daily"),
        won("carl-3", CARL, "daily"), won("carl-many", CARL, "multiple"),
    ),
    # The coupons of a game run out, for one customer after another.
    poll(7, *(won(f"few-{n}", (ANNA, BERT, CARL)[n % 3], "few") for n in range(7))),
    # Codes: good, somebody else's, nobody's, used by the same order; the place that it frees is taken at once.
    poll(
        11, bought("buy-1", ANNA, "o-1", "anna-wins", "bert-many", "0000-0000-0000-0000", "no code", "anna-wins"),
        won("anna-reopens", ANNA, "single"), won("anna-third", ANNA, "single"), bought("buy-1b", ANNA, "o-1b", "anna-wins"),
        # Placed and reversed at once; reversed before it is placed, and once more.
        bought("buy-2", BERT, "o-2", "bert-many", products=(1,)), undone("undo-2", BERT, "o-2"),
        undone("undo-3", CARL, "o-3"), bought("buy-3", CARL, "o-3", "carl-1", products=(0,)), undone("undo-3b", CARL, "o-3"),
    ),
    # Reversed: its coupon would be the customer's second one.
    poll(7, undone("undo-1", ANNA, "o-1"), _TWICE),
    # Steps of staff, taken and refused.
    staff(7, Step.REINSTATED, "anna-wins"), staff(2, Step.RELEASED, "anna-reopens"),
    staff(2, Step.REINSTATED, "anna-reopens"), staff(2, Step.RESERVED, "anna-reopens"),
    staff(2, Step.RESERVED, "anna-reopens"), staff(2, Step.REDEEMED, "anna-reopens", shop=1),
    staff(1, Step.RELEASED, "anna-reopens", shop=1), staff(1, Step.CANCELLED, "anna-reopens", shop=1),
    poll(
        2, bought("buy-4", ANNA, "o-4", "anna-reopens", shop=1), won("anna-fourth", ANNA, "single"),
        bought("buy-5", ANNA, "o-5", "anna-reopens", shop=0),
    ),
    staff(2, Step.REDEEMED, "anna-reopens"), staff(2, Step.REDEEMED, "bert-more", shop=1),
    staff(2, Step.REINSTATED, "bert-more", shop=1), staff(2, Step.CANCELLED, "bert-more"),
    staff(2, Step.RESERVED, "bert-more"), staff(2, Step.REDEEMED, "bert-more"), staff(2, Step.REINSTATED, "bert-more"),
    staff(2, Step.RESERVED, "carl-many"), staff(2, Step.RELEASED, "carl-many"), staff(2, Step.RESERVED, "carl-1"),
    staff(2, Step.RESERVED, "bert-wins"), staff(3, Step.RESERVED, "few-1"),
    # Two reservations have lapsed when somebody comes upon them, the sweeper comes upon the third.
    poll(47, bought("buy-6", BERT, "o-6", "bert-wins"), won("bert-second", BERT, "single")),
    staff(3, Step.RESERVED, "carl-1", shop=1), sweep(4),
    # Stamps: a card fills, one more is begun, a stamp is taken back, one of a full card is not.
    poll(
        7, bought("stamp-1", CARL, "s-1", products=(0,)), bought("stamp-2", CARL, "s-2", products=(0, 1)),
        bought("stamp-2b", CARL, "s-2"), bought("stamp-2c", BERT, "s-2", products=(0,)), undone("unstamp-2", CARL, "s-2"),
        bought("stamp-3", CARL, "s-3"), undone("unstamp-3", CARL, "s-3", "order.refunded"),
        bought("stamp-3b", CARL, "s-3"), undone("unstamp-3b", BERT, "s-1"),
    ),
    # The next card fills while its coupon is there still, then while the card of beans fills, and that for the second time.
    poll(
        7, bought("stamp-4", CARL, "s-4"), bought("stamp-5", CARL, "s-5", products=(0,)),
        bought("stamp-6", CARL, "s-6", "stamp-2@cards", products=(0,)), bought("stamp-7", CARL, "s-7", products=(0,)),
    ),
    poll(7, *(bought(f"beans-{n}", CARL, f"b-{n}", products=(0,)) for n in range(3)), undone("unstamp-6", CARL, "s-6")),
    # By hand: given, declined, given to somebody who has one, asked for twice.
    by_hand(7, "hand-1", DORA, "single"), by_hand(7, "hand-2", DORA, "single"), by_hand(7, "hand-1", DORA, "single"),
    by_hand(7, "hand-3", DORA, "few"), by_hand(7, "hand-4", DORA, UNKNOWN), by_hand(7, "hand-5", DORA, "closed"),
    by_hand(7, "hand-6", CARL, "daily"), by_hand(7, "hand-7", DORA, "cards"),
    poll(
        7, won("dora-blocked", DORA, "single"), won("anna-fifth", ANNA, "single"), bought("dora-buys", DORA, "o-7", "hand-1"), won("dora-wins", DORA, "single"),
        bought("dora-stamps", DORA, "d-1"), bought("dora-fills", DORA, "d-2"),
    ),
    poll(1511, won("carl-4", CARL, "daily"), won("carl-5", CARL, "daily"), won("carl-6", CARL, "daily")),
    # The rules change.
    Rules(after=timedelta(minutes=7), game="multiple", fields={"allow_multiple_active_coupons": False, "coupon_validity_days": 2}),
    Rules(after=timedelta(minutes=7), game="few", fields={"total_limit": 9}),
    by_hand(7, "hand-9", DORA, "few"),
    staff(7, Step.CANCELLED, "carl-many"), staff(7, Step.CANCELLED, "bert-many"),
    Rules(after=timedelta(minutes=7), game="multiple", fields={"allow_multiple_active_coupons": False, "coupon_validity_days": 2}),
    poll(
        7, won("carl-anew", CARL, "multiple"), won("carl-blocked", CARL, "multiple"), won("few-8", BERT, "few"),
        won("few-9", BERT, "few"), won("few-10", CARL, "few"), won("dora-2", DORA, "multiple"),
    ),
    staff(61, Step.RESERVED, "dora-wins"),
    # A week later all of that is over: found by a code, a completion, a card, a reversal, staff, somebody's hand.
    staff(MINUTES_OF_A_WEEK + 7, Step.RESERVED, "anna-reopens"),
    poll(
        7, bought("buy-8", DORA, "o-8", "dora-wins", "hand-7"), undone("undo-7", DORA, "o-7"),
        won("bert-third", BERT, "single"), won("carl-next", CARL, "multiple"), undone("undo-5", ANNA, "o-5"),
        bought("stamp-8", CARL, "s-8"), bought("stamp-9", CARL, "s-9"), won("dora-third", DORA, "single"),
    ),
    staff(7, Step.REDEEMED, "dora-2"), staff(7, Step.CANCELLED, "dora-2"), by_hand(7, "hand-8", DORA, "multiple"),
    by_hand(7, "hand-10", ANNA, "single"),
    # And what is left, by the sweeper: its notices, then the ends.
    sweep(2 * 24 * 60 + 7), sweep(MINUTES_OF_A_WEEK - 61), sweep(MINUTES_OF_A_WEEK), sweep(3 * MINUTES_OF_A_WEEK),
])  # fmt: skip
"""Every outcome, reason, step and refusal by name: a test holds it to that."""


PROGRAM: Mapping[str, Any] = {
    "settings": {"currency": "EUR"},
    "cashback": {"defaultCashbackRule": {"amountRewardThreshold": 1, "rewardWalletFactor": 20, "rewardRankFactor": 1}},
    "redemption": {
        "defaultRule": {"valueOfPoint": 1},
        "rules": [
            {
                "ruleType": "percentage_discount_settings", "pointsToRedeem": 50,
                "coupon": {"couponType": "percentage_discount", "discountValue": 10, "options": {"usageLimit": 2}},
            },
            {
                "ruleType": "fixed_rate_settings", "pointsToRedeem": 30,
                "coupon": {"couponType": "fixed_rate_discount", "discountValue": 2, "options": {"expiryAfter": 2}},
            },
            {"ruleType": "general_settings", "pointsToRedeem": None, "coupon": {"couponType": "fixed_discount"}},
        ],
    },
}  # fmt: skip
"""Of a partner whose customers redeem points. An order earns 198, less what its coupons take off."""
TENTH, SHORT, ALL, ASKED = REDEMPTION_RULES = ("tenth", "short", "all", "asked")
"""Names of its redemption rules, the default one last; it costs what is asked for."""
POINTS_ASKED = 20

POINTS = spaced([
    poll(
        1, bought("earn-1", ANNA, "e-1"), bought("earn-2", BERT, "e-2"), redeems("tenth-1", ANNA, TENTH),
        redeems("short-1", BERT, SHORT), redeems("poor", CARL, TENTH), redeems("asked-1", ANNA, ASKED),
        redeems("unknown-rule", BERT, UNKNOWN), won("win", CARL, "multiple"), redeems("tenth-1", ANNA, TENTH),
    ),
    # Used, so not given back; given back, but once; somebody else's; a game's.
    poll(
        7, bought("use-1", ANNA, "e-3", "tenth-1"), gives_back("back-1", ANNA, "tenth-1"),
        gives_back("back-2", BERT, "short-1"), gives_back("back-3", BERT, "short-1"),
        gives_back("back-4", CARL, "tenth-1"), gives_back("back-5", CARL, "win"), redeems("short-2", BERT, SHORT),
        # The order is reversed, so its use has come back and the coupon can be given back, too.
        undone("unuse-1", ANNA, "e-3"), gives_back("back-6", ANNA, "tenth-1"), bought("use-2", ANNA, "e-4", "tenth-1"),
        redeems("tenth-2", ANNA, TENTH),
    ),
    # By hand: redeemed, refused, given back, but once.
    asks(7, redeems("hand-1", ANNA, SHORT)), asks(2, redeems("hand-2", BERT, TENTH)), asks(2, redeems("hand-3", CARL, TENTH)),
    asks(2, redeems("hand-4", BERT, UNKNOWN)), asks(2, redeems("hand-5", BERT, ASKED)),
    asks(2, gives_back("hand-back-1", ANNA, "hand-1")), asks(2, gives_back("hand-back-2", ANNA, "hand-1")),
    # A till has reserved it, then used one of its uses, then given that back.
    staff(7, Step.RESERVED, "tenth-2"), asks(2, gives_back("hand-back-3", ANNA, "tenth-2")),
    poll(2, gives_back("back-7", ANNA, "tenth-2")), staff(2, Step.RELEASED, "tenth-2"), staff(2, Step.REDEEMED, "tenth-2"),
    poll(2, gives_back("back-8", ANNA, "tenth-2"), bought("use-3", BERT, "e-5", "hand-5")), staff(2, Step.REINSTATED, "tenth-2"),
    asks(2, gives_back("hand-back-4", ANNA, "tenth-2")), asks(2, gives_back("hand-back-5", BERT, "hand-5")),
    poll(7, redeems("all-1", ANNA, ALL), redeems("all-2", CARL, ALL), bought("earn-3", CARL, "e-6"), redeems("short-3", CARL, SHORT)),
    # What is cancelled took its points along: the rest is owed, and what comes back pays it first.
    poll(7, undone("unearn-1", ANNA, "e-1"), gives_back("back-9", ANNA, "all-1"), redeems("late", ANNA, SHORT)),
    # Days later one is over: found by an order, an undo, the sweeper.
    poll(
        3 * 24 * 60 + 7, bought("use-4", BERT, "e-7", "short-2"), gives_back("back-10", BERT, "short-2"),
        gives_back("back-11", CARL, "short-3"), *(won(f"again-{n}", DORA, "daily") for n in range(9)),
    ),
    sweep(7),
])  # fmt: skip
"""Points into coupons and back, whatever may be in the way."""


def drawn(seed: int, acts: int = 30) -> Script:
    """Acts over some weeks."""
    life = _Life(random.Random(f"doors {seed}"))
    return spaced(life.act(number) for number in range(acts))


_CHANGES: list[tuple[str, Mapping[str, Any]]] = [
    ("single", {"coupon_validity_days": 2}), ("single", {"allow_multiple_active_coupons": True}),
    ("multiple", {"allow_multiple_active_coupons": False}), ("daily", {"customer_limit_per_day": 1}),
    ("few", {"total_limit": 9}), ("cards", {"stamps_required": 3}), ("closed", {"is_active": True}),
]  # fmt: skip
_PLAYED = (*GAMES, UNKNOWN, *("single", "multiple", "daily", "few") * 3)
"""Most of them may give something."""


class _Life:
    """Draws acts one after the other, most of them about what there may be by then."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._past: list[Event] = []
        self._coupons: list[tuple[str, str]] = []
        self._orders: list[tuple[str, str]] = []

    def act(self, number: int) -> Act:
        chance = self._chance
        after = timedelta(minutes=chance.choice((7, 7, 7, 7, 19, 373, 1511, 4337)))
        kind = chance.choices((Poll, Staff, ByHand, Sweep, Rules), (12, 9, 3, 2, 1))[0]
        if kind is Poll or not self._coupons:
            count = chance.randrange(2, 11)
            return Poll(after=after, events=tuple(self._event() for _ in range(count)))
        if kind is Staff:
            step = chance.choice([step for step in Step if step not in _OF_THE_RULES])
            coupon, _ = chance.choice(self._coupons[-9:])
            return Staff(after=after, event=coupon, step=step, shop=chance.choice((0, 0, 1)))
        if kind is ByHand:
            customer = chance.choice((ANNA, BERT, CARL))
            self._coupons.append((f"hand-{number}", customer))
            return ByHand(
                after=after, name=f"hand-{number}", customer=customer, game=chance.choice(_PLAYED)
            )
        if kind is Sweep:
            return Sweep(after=after)
        game, fields = chance.choice(_CHANGES)
        return Rules(after=after, game=game, fields=fields)

    def _event(self) -> Event:
        """One of anything; a tenth of what came comes again."""
        if self._past and self._chance.random() < 0.1:
            return self._chance.choice(self._past)
        event = self._new()
        self._past.append(event)
        return event

    def _new(self) -> Event:
        chance, name = self._chance, f"e-{len(self._past)}"
        customer = chance.choice((ANNA, BERT, CARL))
        match chance.choices(("played", "bought", "undone", "poison"), (10, 9, 6, 1))[0]:
            case "bought":
                return self._bought(name, customer)
            case "undone" if self._orders:
                order, owner = chance.choice(self._orders[-6:])
                kind = chance.choice(("order.cancelled", "order.refunded"))
                return undone(name, owner if chance.random() < 0.9 else customer, order, kind)
            case "poison":
                kind = chance.choice([*POISON, UNSTORABLE])
                return won(name, customer, chance.choice(_PLAYED), kind)
            case _:
                self._coupons.append((name, customer))
                is_won = chance.random() < 0.9
                return replace(won(name, customer, chance.choice(_PLAYED)), won=is_won)

    def _bought(self, name: str, customer: str) -> Event:
        """Codes of a few coupons that may be there still, mostly the customer's own; seldom an order told of before."""
        chance = self._chance
        known = [coupon for coupon, owner in self._coupons[-20:] if owner == customer] * 4
        known += [coupon for coupon, _ in self._coupons]
        codes = chance.sample(known, min(len(known), chance.choice((0, 1, 2, 3))))
        order = f"o-{name}"
        if self._orders and chance.random() < 0.2:
            order, _ = chance.choice(self._orders)
        self._orders.append((order, customer))
        self._coupons.append((f"{name}@{chance.choice(('cards', 'beans'))}", customer))
        products, shop = tuple(range(chance.randrange(3))), chance.choice((None, 0, 1))
        return bought(name, customer, order, *codes, products=products, shop=shop)


def redeems_points(script: Iterable[Act]) -> bool:
    """Whether anybody does: then the partner has a program, else it has none."""
    return any(
        event.kind == REDEEM
        for act in script
        for event in (act.events if isinstance(act, Poll) else ())
    )


def without_sharing(script: Iterable[Act]) -> Script:
    """The same without what one customer can take from another: orders are each customer's own, no game runs out."""
    return [
        replace(act, events=tuple(_own(event) for event in act.events if event.game != "few"))
        if isinstance(act, Poll)
        else act
        for act in script
    ]


def without_unstorable(script: Iterable[Act]) -> Script:
    """The same without what cannot be stored. Whoever stores nothing goes on as if it had been."""
    return [
        replace(act, events=tuple(event for event in act.events if event.kind != UNSTORABLE))
        if isinstance(act, Poll)
        else act
        for act in script
    ]


def _own(event: Event) -> Event:
    return replace(event, order=f"{event.order} of {event.customer}") if event.order else event
