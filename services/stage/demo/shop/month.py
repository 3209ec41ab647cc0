"""The month: who joins, buys, is refunded, and what becomes of points, week by week. Seeded, as the first act's are.

Everybody but Rasa and Olga lives by the dice. Rasa pays with points that an order brought, and then has the order
refunded: what she owes is the one debt of the month. Olga gives a coupon back at once, and its points are there again;
the next one she uses, has that order cancelled, and gives it back when its points are over. Friends join a week after
who brought them, and order from the week after that: topics have no order among each other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Final

from services.stage.demo.shop.happenings import (
    Buys,
    GetsBack,
    Happening,
    Joins,
    Pays,
    Redeems,
    Undoes,
    Week,
)
from services.stage.demo.shop.program import FIVE_OFF, OFFERS, TENTH_OFF

WEEK_DAYS: Final = 7
STOPS: Final = 5
"""The clock stops at 28, 21, 14, 7 and 0 days before now. At the first one customers join, in the others they order."""
FIRST_REQUESTS: Final = 2
"""Before this stop nobody has the points for a coupon."""
NAMES: Final = (
    "ada", "agne", "anna", "asta", "bert", "birute", "carl", "dalia", "dora", "edita",
    "egle", "emil", "fay", "gabija", "gus", "hana", "hugo", "ieva", "ignas", "irma",
    "ivo", "jonas", "jurga", "karla", "lena", "linas", "lukas", "marta", "mila", "nojus",
    "olga", "ona", "petra", "rasa", "rokas", "saule", "tomas", "urte", "vera", "viktor",
)  # fmt: skip
BROUGHT: Final = {
    "bert": "anna", "carl": "anna", "dora": "anna", "fay": "emil", "hana": "gus", "ivo": "gus",
}  # fmt: skip
"""Who was brought by whom: Anna brings three, which is worth something extra. Who has brought somebody saves up: which
points came first, those of their orders or those for a friend, is not known beforehand, nor so which would be taken."""
RASA: Final = "rasa"
OLGA: Final = "olga"
ORDERS_A_WEEK: Final = (0, 1, 1, 1, 2, 2, 3)
BIG_SHARE, BEANS_SHARE, REFUND_SHARE = 0.15, 0.3, 0.12
REQUEST_SHARE, UNDO_SHARE, COUPON_SHARE = 0.4, 0.15, 0.4
assert len(NAMES) == len(set(NAMES)) == 40
assert {RASA, OLGA, *BROUGHT, *BROUGHT.values()} <= set(NAMES)
assert {RASA, OLGA}.isdisjoint({*BROUGHT, *BROUGHT.values()})


def month(seed: int, prefix: str) -> list[Week]:
    """All weeks. `prefix` begins the ids of orders and receipts, so that no run has those of another."""
    dice, past, asked = random.Random(seed), list[Buys](), list[Redeems]()
    weeks = []
    for stop in range(STOPS):
        happenings = list[Happening](_joining(stop))
        if stop:
            happenings += [*_rasa(stop, prefix), *_olga(stop, prefix)]
            happenings += _undoing(dice, asked)
            new = list(_requests(dice, stop, prefix))
            asked += new
            happenings += new
            happenings += _refunds(dice, past)
            bought = list(_orders(dice, stop, prefix, asked))
            past += bought
            happenings += bought
        weeks.append(Week(days_ago=(STOPS - 1 - stop) * WEEK_DAYS, happenings=happenings))
    return weeks


def _joining(stop: int) -> Iterator[Joins]:
    for name in NAMES:
        if stop == (1 if name in BROUGHT else 0):
            yield Joins(customer=name, brought_by=BROUGHT.get(name))


def _rasa(stop: int, prefix: str) -> Iterator[Happening]:
    first, second = f"{prefix}{RASA}-1", f"{prefix}{RASA}-2"
    match stop:
        case 1:
            yield Buys(customer=RASA, order=first, cents=9_000)
        case 2:
            yield Pays(customer=RASA, points=100, receipt=f"{prefix}{RASA}-mug")
            yield GetsBack(customer=RASA, order=first, cents=None)
        case 3:
            yield Buys(customer=RASA, order=second, cents=4_500)
        case _:
            pass


def _olga(stop: int, prefix: str) -> Iterator[Happening]:
    rash, wise, order = f"{prefix}{OLGA}-rash", f"{prefix}{OLGA}-wise", f"{prefix}{OLGA}-2"
    match stop:
        case 1:
            yield Buys(customer=OLGA, order=f"{prefix}{OLGA}-1", cents=20_000, coupon=OLGA)
        case 2:
            yield Redeems(customer=OLGA, offer=TENTH_OFF, coupon=rash, at_counter=True)
            yield Undoes(customer=OLGA, coupon=rash, at_counter=True)
            yield Redeems(customer=OLGA, offer=FIVE_OFF, coupon=wise)
            yield Buys(customer=OLGA, order=order, cents=4_500, coupon=wise)
        case 3:
            yield GetsBack(customer=OLGA, order=order, cents=None)
        case _:
            yield Undoes(customer=OLGA, coupon=wise)


def _requests(dice: random.Random, stop: int, prefix: str) -> Iterator[Redeems]:
    """Also of who has too few points, or such a coupon already: they are refused."""
    savers = {RASA, OLGA, *BROUGHT.values()}
    for name in NAMES:
        if stop >= FIRST_REQUESTS and name not in savers and dice.random() < REQUEST_SHARE:
            yield Redeems(
                customer=name, offer=dice.choice(OFFERS), coupon=f"{prefix}{name}-coupon-{stop}"
            )


def _undoing(dice: random.Random, asked: Sequence[Redeems]) -> Iterator[Undoes]:
    """Of weeks before: of what there is, and of what was refused, used or given back by now."""
    for each in asked:
        if dice.random() < UNDO_SHARE:
            yield Undoes(customer=each.customer, coupon=each.coupon)


def _refunds(dice: random.Random, past: Sequence[Buys]) -> Iterator[GetsBack]:
    """Of orders of weeks before, also of those whose points have ended; some by and by."""
    for order in past:
        if dice.random() < REFUND_SHARE:
            parts = (None, order.cents, order.cents // 2, dice.randrange(1, order.cents))
            yield GetsBack(customer=order.customer, order=order.order, cents=dice.choice(parts))


def _orders(
    dice: random.Random, stop: int, prefix: str, asked: Sequence[Redeems]
) -> Iterator[Buys]:
    """With the coupon that welcomed them, or one they have asked for; its code may be refused, and the order stands."""
    for name in NAMES:
        if name in {RASA, OLGA} or (name in BROUGHT and stop == 1):
            continue
        coupons = [name, *(each.coupon for each in asked if each.customer == name)]
        for number in range(dice.choice(ORDERS_A_WEEK)):
            prices = (6_000, 14_000) if dice.random() < BIG_SHARE else (350, 6_000)
            yield Buys(
                customer=name,
                order=f"{prefix}{name}-{stop}-{number}",
                cents=dice.randrange(*prices),
                beans=dice.random() < BEANS_SHARE,
                coupon=dice.choice(coupons) if dice.random() < COUPON_SHARE else None,
            )
