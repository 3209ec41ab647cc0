"""A game's life as a list of acts, drawn from a seed, that can be played on any number of games.

Acts name coupons by the event that earned them and products by their place, so the same script means the same thing
for another partner under other rules.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.domain.coupons.coupon import Step

CUSTOMERS = ("anna", "bert", "carl")
ORDERS = ("o-1", "o-2", "o-3", "o-4", "o-5", "o-6", "o-7", "o-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`kind` is a CloudEvents type; `codes` are names of events whose coupons are used.

    `game` is for scripts of several games, `shop` the place of one of the partner's.
    """

    name: str
    kind: str
    customer: str
    won: bool = True
    order: str = ""
    codes: tuple[str, ...] = ()
    products: tuple[int, ...] = ()
    game: str = ""
    shop: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Events that an issuer gets at once, `after` the act before."""

    after: timedelta
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """A step at the till. `shop` is the place of one of the partner's."""

    after: timedelta
    event: str
    step: Step
    shop: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The partner changes the game, or one of several."""

    after: timedelta
    fields: Mapping[str, Any]
    game: str = ""


Act = Poll | Staff | Rules


def a_script(
    rng: random.Random, *, orders: bool, fields: Sequence[Mapping[str, Any]], acts: int = 40
) -> list[Act]:
    """Acts over some weeks. `fields`: what the game may be changed to in the middle."""
    names: list[str] = []
    script: list[Act] = []

    def event() -> Event:
        name, customer = f"e-{len(names)}", rng.choice(CUSTOMERS)
        names.append(name)
        kind = rng.choices(
            ("game.completed", "order.placed", "order.cancelled"),
            (6, 3, 1) if orders else (5, 1, 1),
        )[0]
        if kind == "game.completed":
            return Event(name=name, kind=kind, customer=customer, won=rng.random() < 0.9)
        return Event(
            name=name,
            kind=kind,
            customer=customer,
            order=rng.choice(ORDERS) if rng.random() < 0.4 else f"o-{name}",
            codes=tuple(rng.sample(names, min(len(names), rng.choice((0, 1, 3))))),
            products=tuple(rng.sample((0, 1), rng.randrange(3))),
        )

    for _ in range(acts):
        after = timedelta(minutes=rng.choice((7, 7, 61, 373, 1511, 4337)))
        kind = rng.choices((Poll, Staff, Rules), (7, 2, 1 if fields else 0))[0]
        if kind is Poll or not names:
            events = tuple(event() for _ in range(rng.randrange(1, 6)))
            script.append(Poll(after=after, events=events))
        elif kind is Staff:
            step = rng.choice(
                (Step.REDEEMED, Step.REDEEMED, Step.CANCELLED, Step.REINSTATED, Step.RESERVED)
            )
            script.append(Staff(after=after, event=rng.choice(names), step=step))
        else:
            script.append(Rules(after=after, fields=rng.choice(fields)))
    return script
