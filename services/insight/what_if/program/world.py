"""The world under the changed program: every event decided again by the issuer's rules, what customers are in memory.

`services.domain.decide.decide` makes every decision and `evolve` says what follows from it; here is only what they are
given: the event, the program that was in force with what is changed of it, the customer as this world has left them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.domain.closed_orders import NO_ORDERS, ClosedOrders, CloseOrder
from services.domain.coupons.effects import ChangeCoupon, GrantCoupon, IssueCoupon
from services.domain.coupons.issuing import Draw
from services.domain.coupons.stock import NO_STOCK
from services.domain.decide import decide
from services.domain.effects import Effect
from services.domain.events import (
    CustomerDescribed,
    Event,
    OrderPlaced,
    OrderReversed,
    UndoRequested,
)
from services.domain.needs import needs
from services.domain.points.ledger import ended
from services.domain.profiles import CompleteReferral, Describe
from services.domain.program import Program
from services.domain.purchases import (
    NO_PURCHASES,
    CountOrder,
    NoteRefund,
    NoteUse,
    Purchase,
    Purchases,
)
from services.domain.referrals import NOBODY, Others
from services.domain.stamps import AddStamp, TakeStampBack
from services.domain.state import NEW_CUSTOMER, CustomerState, evolve
from services.insight.what_if.program.coupons import SameCoupons
from services.insight.what_if.program.history import Known, Taken
from services.insight.what_if.program.kept import NO_LOTS, Kept

NOBODYS = ""
"""The id of no coupon."""
_PLENTY = 1 << 40
"""Coupons that a game has left: whether one is given plays no part here."""
_OF_GAMES = frozenset((IssueCoupon, AddStamp, TakeStampBack))
_NOTED = frozenset(
    (
        GrantCoupon,
        ChangeCoupon,
        CountOrder,
        NoteRefund,
        NoteUse,
        CloseOrder,
        Describe,
        CompleteReferral,
    )
)
"""Effects of which more is kept than the state that they leave."""


@dataclass(slots=True, kw_only=True)
class World:
    """One family. Takes decisions in recorded order. `customers` by number; of orders only those told of again."""

    known: Known
    customers: dict[int, Kept] = field(default_factory=dict)
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Referrals completed here that are yet to be told, by the follow-up's id: friend and referrer."""
    _registered: set[str] = field(default_factory=set)
    _orders: dict[str, tuple[int, Purchase]] = field(default_factory=dict)
    _noted: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    _used_for: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    _reversed: set[tuple[str, int]] = field(default_factory=set)
    _drawn: int = 0
    _coupons: SameCoupons = field(init=False)

    def __post_init__(self) -> None:
        self._coupons = SameCoupons(known=self.known)

    def customer(self, number: int) -> Kept:
        """What is remembered of the customer, from now on."""
        found = self.customers.get(number)
        if found is None:
            found = self.customers[number] = Kept()
        return found

    def decide(
        self, event: Event, number: int, key: Any, program: Program, at: datetime
    ) -> str | None:
        """Decide it for this customer. Answers the id of a referral that is to be told at once, if it completes one."""
        kept = self.customer(number)
        if isinstance(event, UndoRequested):
            event = self._undone_here(event)
        wanted = needs(event, program)
        unpacks = wanted.takes_points or kept.is_due(at)
        state = self._state(event, number, kept, at, unpacks=unpacks)
        quota = dict.fromkeys(wanted.limited, _PLENTY)
        stock = NO_STOCK
        if wanted.groups:
            state = self.among_groups(state, kept, at)
            partner = program.of_partner(event.partner_id)
            stock = self.known.groups.stock(key, at, partner, wanted.groups)
        draws = self._draws(wanted.draws)
        decision = decide(event, program, state, quota, at=at, draws=draws, stock=stock)
        effects, after = decision.effects, decision.after
        return self.keep(number, kept, state, effects, key, event, unpacked=unpacks, after=after)

    def keep(
        self,
        number: int,
        kept: Kept,
        state: CustomerState,
        effects: Iterable[Effect],
        key: Any,
        event: Event | None,
        *,
        unpacked: bool,
        after: CustomerState | None = None,
    ) -> str | None:
        """What later events can come upon; as `decide` answers. `after`: the customer then, where that is known."""
        moving = [effect for effect in effects if type(effect) not in _OF_GAMES]
        if not moving:
            return None
        after = after or evolve(state, moving)
        kept.profile = after.profile
        kept.standing = after.standing
        if after.campaigns is not state.campaigns:
            kept.campaigns = after.campaigns
        kept.count_groups(moving)
        told_now = None
        noted = [effect for effect in moving if type(effect) in _NOTED]
        for effect in noted:
            match effect:
                case GrantCoupon():
                    kept.granted += 1
                case CountOrder() | NoteRefund():
                    self._keep_order(number, kept, after, effect)
                case NoteUse():
                    self._used_for.setdefault((effect.order_id, number), effect.amount)
                case CloseOrder():
                    self._reversed.add((effect.order_id, number))
                case Describe(registers=True) if event is not None:
                    self._registered.add(event.customer_id)
                case CompleteReferral() if event is not None:
                    told_now = self._complete(event.customer_id, effect.referrer_id, key)
                case _:
                    pass
        if noted:
            self._coupons.keep(kept, noted, key)
        lots = after.wallet.lots
        if unpacked or lots:
            kept.keep(lots.values(), all_of_them=unpacked)
        kept.wallet = replace(after.wallet, lots=NO_LOTS) if lots else after.wallet
        return told_now

    def registers(self, customer_id: str) -> None:
        """Others may name this customer from now on."""
        self._registered.add(customer_id)

    def completes(self, friend_id: str, referrer_id: str, key: Any) -> None:
        """As it really was: told at its place, if it has been."""
        self._complete(friend_id, referrer_id, key)

    def draws(self) -> Iterator[Draw]:
        """As many as are asked for."""
        while True:
            yield from self._draws(1)

    def step(self, number: int, recorded_id: str, step: Taken) -> None:
        """A step that the customer's recorded coupon took, on the one that is the same here."""
        self._coupons.take(self.customer(number), recorded_id, step)

    def points(self, number: int, at: datetime) -> int:
        """The balance at that instant, what is over by then ended."""
        kept = self.customers.get(number)
        if kept is None:
            return 0
        if not kept.is_due(at):
            return kept.wallet.balance
        entries = ended(replace(kept.wallet, lots=kept.unpacked()), at)
        return entries[-1].balance if entries else kept.wallet.balance

    def _state(
        self, event: Event, number: int, kept: Kept, at: datetime, *, unpacks: bool
    ) -> CustomerState:
        """What the rules are told of the customer: as the issuer would load it."""
        wallet = kept.wallet
        if unpacks and kept.lots:
            wallet = replace(wallet, lots=kept.unpacked())
        purchases, orders, coupons = NO_PURCHASES, NO_ORDERS, NEW_CUSTOMER.coupons
        if isinstance(event, (OrderPlaced, OrderReversed)):
            order_id = event.order_id
            if order_id in self.known.told_again:
                purchases = self._purchases(order_id, number)
                if (order_id, number) in self._reversed:
                    orders = ClosedOrders(reversed=frozenset({order_id}))
        if kept.coupons and isinstance(event, (OrderPlaced, OrderReversed, UndoRequested)):
            coupons = self._coupons.of(kept, at)
        others = NOBODY
        if isinstance(event, CustomerDescribed) and event.referred_by in self._registered:
            assert event.referred_by is not None
            others = Others(registered=frozenset({event.referred_by}))
        return CustomerState(
            coupons=coupons,
            orders=orders,
            profile=kept.profile,
            wallet=wallet,
            standing=kept.standing,
            campaigns=kept.campaigns,
            purchases=purchases,
            others=others,
        )

    def _purchases(self, order_id: str, number: int) -> Purchases:
        noted = self._noted.get((order_id, number))
        used_for = self._used_for.get((order_id, number))
        owner, purchase = self._orders.get(order_id, (number, None))
        if purchase is not None and owner != number:
            purchase = Purchase(order_id=order_id, is_mine=False)
        return Purchases(
            by_id={order_id: purchase} if purchase is not None else {},
            refunded_before={order_id: noted} if noted is not None else {},
            used_for={order_id: used_for} if used_for is not None else {},
        )

    def _watch(self, kept: Kept, purchase: Purchase) -> None:
        """Its lots may be asked for when they have nothing left."""
        entries = (purchase.entry, *(each.entry for each in purchase.achievements))
        kept.watch(each for each in entries if each is not None)

    def _undone_here(self, event: UndoRequested) -> UndoRequested:
        """Of the coupon that this world has in the place of the recorded one; of none, where it has none."""
        return replace(event, coupon_id=self._coupons.ours(event.coupon_id) or NOBODYS)

    def _complete(self, friend_id: str, referrer_id: str, key: Any) -> str | None:
        """Told where it really was; at once, if it really was not told of this event."""
        told = f"{key}.referral"
        self.told[told] = (friend_id, referrer_id)
        return None if told in self.known.referrals else told

    def _keep_order(
        self, number: int, kept: Kept, after: CustomerState, effect: CountOrder | NoteRefund
    ) -> None:
        order_id = effect.purchase.order_id if isinstance(effect, CountOrder) else effect.order_id
        if order_id not in self.known.told_again:
            return
        if isinstance(effect, CountOrder):
            self._watch(kept, effect.purchase)
        purchase = after.purchases.by_id.get(order_id)
        if purchase is not None and purchase.is_mine:
            self._orders[order_id] = (number, purchase)
        noted = after.purchases.refunded_before.get(order_id)
        if noted is None:
            self._noted.pop((order_id, number), None)
        else:
            self._noted[order_id, number] = noted

    def among_groups(self, state: CustomerState, kept: Kept, at: datetime) -> CustomerState:
        """With how many coupons of each group they have; those that staff had cancelled by then are none."""
        self._coupons.of(kept, at)
        of_groups = kept.of_groups or {}
        return replace(state, coupons=replace(state.coupons, of_groups=of_groups))

    def _draws(self, count: int) -> Sequence[Draw]:
        """Ids that no other coupon has; codes are those of the record, or nobody knows them."""
        first, self._drawn = self._drawn, self._drawn + count
        return [Draw(coupon_id=f"{n}", code="") for n in range(first, first + count)]
