"""A program at work in memory: events decided by the rules themselves, one after another, and what each led to.

No server is asked and nothing is written. Time is that of the events: an event is decided at its own instant, or that
of the one before it if that is later; birthdays in between come at their midnights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from uuid import UUID

from services.domain.birthdays import birthday_noted, next_birthday
from services.domain.coupons.codes import RANDOM_BYTES_PER_CODE, codes_from
from services.domain.coupons.effects import GrantCoupon
from services.domain.coupons.issuing import Draw
from services.domain.coupons.stock import UNTOUCHED, GroupStock, Stock, left_after
from services.domain.decide import decide
from services.domain.decision import Decision, state_after
from services.domain.events import Birthday, Cause, Event, ReferralCompleted
from services.domain.folding import Shared
from services.domain.needs import needs
from services.domain.partner_program import PartnerProgram
from services.domain.points.ledger import ended
from services.domain.profiles import CompleteReferral, Describe
from services.domain.program import Program
from services.domain.state import NEW_CUSTOMER, CustomerState, evolve

SOURCE = "/program-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event, what was decided, and the customer before and after. `is_ours`: it followed from another, or time."""

    event: Event
    decision: Decision
    before: CustomerState
    after: CustomerState
    is_ours: bool = False


@dataclass(slots=True, kw_only=True)
class Trial:
    """One partner's customers, all new. `stock`: what groups of coupons have to give, with the codes of their pools.

    Codes are drawn in a fixed order: the same events, the same codes.
    `coupon_ids` are by stored code, of coupons that were granted and of draws that nothing came of, or by the code of a
    pool.
    """

    partner: PartnerProgram
    customers: dict[str, CustomerState] = field(default_factory=dict)
    at: datetime | None = None
    stock: Stock = field(default_factory=dict)
    coupon_ids: dict[str, str] = field(default_factory=dict)
    _shared: Shared = field(default_factory=Shared)
    _birthdays: dict[str, datetime] = field(default_factory=dict)
    _drawn: Iterator[int] = field(default_factory=lambda: count(1))

    def happens(self, event: Event) -> list[Happened]:
        """The event is decided, after birthdays that come before it and with what follows from it."""
        at = max(event.occurred_at, self.at or event.occurred_at)
        happened = [*self.until(at), self._decided(event, at)]
        for effect in happened[-1].decision.effects:
            if isinstance(effect, CompleteReferral):
                friend = event.customer_id
                cause = Cause(source=SOURCE, id=f"{friend}.referral", type="referral.completed")
                follows = ReferralCompleted(
                    cause=cause,
                    occurred_at=at,
                    partner_id=self.partner.partner_id,
                    customer_id=effect.referrer_id,
                    friend_id=friend,
                )
                happened.append(replace(self._decided(follows, at), is_ours=True))
        return happened

    def until(self, at: datetime) -> list[Happened]:
        """Birthdays up to that instant, in their order."""
        happened: list[Happened] = []
        while self._birthdays:
            customer_id, begins = min(self._birthdays.items(), key=lambda each: (each[1], each[0]))
            if begins > at:
                break
            born = self.customers[customer_id].profile.birthday
            assert born is not None
            _, year = birthday_noted(born, self.partner.time_zone, begins)
            cause = Cause(source=SOURCE, id=f"{customer_id}.{year}", type="customer.birthday")
            event = Birthday(
                cause=cause,
                occurred_at=begins,
                partner_id=self.partner.partner_id,
                customer_id=customer_id,
                year=year,
            )
            happened.append(replace(self._decided(event, begins), is_ours=True))
            self._expect_birthday(customer_id, begins)
        return happened

    def statement(self, customer_id: str) -> CustomerState:
        """The customer at the instant of the last event: what is over by then has ended."""
        state = self.customers[customer_id]
        return state if self.at is None else evolve(state, ended(state.wallet, self.at))

    def left_of(self, handle: str) -> GroupStock:
        """What a group has given, and has left."""
        return self.stock.get((self.partner.partner_id, handle), UNTOUCHED)

    def _decided(self, event: Event, at: datetime) -> Happened:
        self.at = at
        rules = Program(partners={self.partner.partner_id: self.partner})
        before = self._shared.seen_by(event, self.customers.get(event.customer_id, NEW_CUSTOMER))
        draws = [self._draw() for _ in range(needs(event, rules).draws)]
        decision = decide(event, rules, before, {}, at=at, draws=draws, stock=self.stock)
        self.stock = left_after(self.stock, event.partner_id, decision.effects)
        for each in decision.effects:
            if isinstance(each, GrantCoupon) and each.external_code is not None:
                self.coupon_ids[each.external_code] = each.coupon_id
        after = self.customers[event.customer_id] = state_after(before, decision)
        self._shared.note((event.partner_id, event.customer_id), decision)
        if any(isinstance(effect, Describe) for effect in decision.effects):
            self._expect_birthday(event.customer_id, at)
        return Happened(event=event, decision=decision, before=before, after=after)

    def _expect_birthday(self, customer_id: str, after: datetime) -> None:
        born = self.customers[customer_id].profile.birthday
        if born is None:
            self._birthdays.pop(customer_id, None)
        else:
            self._birthdays[customer_id] = next_birthday(born, self.partner.time_zone, after)

    def _draw(self) -> Draw:
        number = next(self._drawn)
        (code,) = codes_from((number << 8).to_bytes(RANDOM_BYTES_PER_CODE, "big"))
        coupon_id = str(UUID(int=number))
        self.coupon_ids[code] = coupon_id
        return Draw(coupon_id=coupon_id, code=code)
