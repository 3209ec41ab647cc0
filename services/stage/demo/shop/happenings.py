"""What can happen at the shop: customers join, ask for coupons and give them back, buy, are refunded and pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.stage.demo.shop.program import Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Joins:
    """Somebody registers, whoever brought them. The coupon that welcomes them goes by their own name."""

    customer: str
    brought_by: str | None = None

    @property
    def coupon(self) -> str:
        return self.customer


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeems:
    """Points are to become a coupon, which goes by this name: no code is known before there is one.

    `at_counter`: the till asks over HTTP, and is answered at once.
    """

    customer: str
    offer: Offer
    coupon: str
    at_counter: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoes:
    """The coupon of this name, if there is one, is to become points again."""

    customer: str
    coupon: str
    at_counter: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Buys:
    """`beans`: whole beans, which earn double. `coupon`: the name of the one whose code is shown, if there is one."""

    customer: str
    order: str
    cents: int
    beans: bool = False
    coupon: str | None = None


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


Happening = Joins | Redeems | Undoes | Buys | GetsBack | Pays
AtCounter = Pays | Redeems | Undoes


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What has happened by the stop of the clock so many days before now, in its order for each customer."""

    days_ago: int
    happenings: Sequence[Happening]

    @property
    def at_counter(self) -> list[AtCounter]:
        """What the till does. It comes before all else of the week."""
        return [
            each
            for each in self.happenings
            if isinstance(each, Pays) or (isinstance(each, Redeems | Undoes) and each.at_counter)
        ]

    @property
    def asked(self) -> list[Redeems | Undoes]:
        """What else is asked about coupons: decided before orders are told of, which have a topic of their own."""
        return [
            each
            for each in self.happenings
            if isinstance(each, Redeems | Undoes) and not each.at_counter
        ]

    @property
    def bought(self) -> list[Happening]:
        """All the rest."""
        return [each for each in self.happenings if not isinstance(each, Pays | Redeems | Undoes)]
