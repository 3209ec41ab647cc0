"""The month: who joins, buys, is refunded and pays with points, week by week. Seeded, as the first act's records are.

Everybody but Rasa lives by the dice. She pays with points that an order brought, and then has the order refunded: what
she owes is the one debt of the month. Friends join a week after who brought them, and order from the week after that:
topics have no order among each other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WEEK_DAYS: Final = 7
STOPS: Final = 5
"""The clock stops at 28, 21, 14, 7 and 0 days before now. At the first one customers join, in the others they order."""
NAMES: Final = (
    "ada", "agne", "anna", "asta", "bert", "birute", "carl", "dalia", "dora", "edita",
    "egle", "emil", "fay", "gabija", "gus", "hana", "hugo", "ieva", "ignas", "irma",
    "ivo", "jonas", "jurga", "karla", "lena", "linas", "lukas", "marta", "mila", "nojus",
    "olga", "ona", "petra", "rasa", "rokas", "saule", "tomas", "urte", "vera", "viktor",
)  # fmt: skip
BROUGHT: Final = {
    "bert": "anna", "carl": "anna", "dora": "anna", "fay": "emil", "hana": "gus", "ivo": "gus",
}  # fmt: skip
"""Who was brought by whom: Anna brings three, which is worth something extra."""
RASA: Final = "rasa"
ORDERS_A_WEEK: Final = (0, 1, 1, 1, 2, 2, 3)
BIG_SHARE, BEANS_SHARE, REFUND_SHARE = 0.15, 0.3, 0.12
assert len(NAMES) == len(set(NAMES)) == 40
assert {RASA, *BROUGHT, *BROUGHT.values()} <= set(NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joins:
    """Somebody registers, whoever brought them."""

    customer: str
    brought_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Buys:
    """`beans`: whole beans, which earn double."""

    customer: str
    order: str
    cents: int
    beans: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GetsBack:
    """So much of the order in all so far; None: the order is cancelled."""

    customer: str
    order: str
    cents: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pays:
    """With points, at the counter; the till tells over HTTP, and is answered at once."""

    customer: str
    points: int
    receipt: str


Happening = Joins | Buys | GetsBack | Pays


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What has happened by the stop of the clock so many days before now, in its order for each customer."""

    days_ago: int
    happenings: Sequence[Happening]

    @property
    def payments(self) -> list[Pays]:
        """They come before all else of the week."""
        return [each for each in self.happenings if isinstance(each, Pays)]


def month(seed: int, prefix: str) -> list[Week]:
    """All weeks. `prefix` begins the ids of orders and receipts, so that no run has those of another."""
    dice, past = random.Random(seed), list[Buys]()
    weeks = []
    for stop in range(STOPS):
        happenings = list[Happening](_joining(stop))
        if stop:
            happenings += _rasa(stop, prefix)
            happenings += _refunds(dice, past)
            bought = list(_orders(dice, stop, prefix))
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


def _refunds(dice: random.Random, past: Sequence[Buys]) -> Iterator[GetsBack]:
    """Of orders of weeks before, also of those whose points have ended; some by and by."""
    for order in past:
        if dice.random() < REFUND_SHARE:
            parts = (None, order.cents, order.cents // 2, dice.randrange(1, order.cents))
            yield GetsBack(customer=order.customer, order=order.order, cents=dice.choice(parts))


def _orders(dice: random.Random, stop: int, prefix: str) -> Iterator[Buys]:
    for name in NAMES:
        if name == RASA or (name in BROUGHT and stop == 1):
            continue
        for number in range(dice.choice(ORDERS_A_WEEK)):
            prices = (6_000, 14_000) if dice.random() < BIG_SHARE else (350, 6_000)
            yield Buys(
                customer=name,
                order=f"{prefix}{name}-{stop}-{number}",
                cents=dice.randrange(*prices),
                beans=dice.random() < BEANS_SHARE,
            )
