"""Read what is stored of the customers at hand into their states, family by family.

Their rows are locked, so nothing here changes meanwhile. Asked in sets; what nobody needs costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import asyncpg

from services.adapters.postgres import closed_orders, coupons, groups, stamps
from services.adapters.postgres.coupons import coupon_from
from services.adapters.postgres.points import takes_from
from services.adapters.postgres.pool import Connection
from services.domain.arrival import CustomerKey, Incoming, LockedCustomer
from services.domain.campaigns import NO_CAMPAIGNS, CampaignProgress
from services.domain.closed_orders import NO_ORDERS, ClosedOrders
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.held import NO_COUPONS, Coupons
from services.domain.needs import Needs
from services.domain.points.wallet import NO_POINTS, Lot, Take, Wallet
from services.domain.profiles import UNKNOWN, Profile
from services.domain.program import Game
from services.domain.purchases import NO_PURCHASES, Purchase, Purchases
from services.domain.referrals import NOBODY, Others
from services.domain.stamps import NO_STAMPS, Stamp, StampCard, Stamps
from services.domain.state import CustomerState
from services.domain.tiers import NO_STANDING, Standing
from services.domain.unjudged import Unjudgeable
from services.domain.values import replaced

Customers = Mapping[CustomerKey, LockedCustomer]
Rows = Iterable[asyncpg.Record]


@dataclass(slots=True, kw_only=True)
class StoredAccount:
    """One customer's account while it is being read."""

    profile: Profile = UNKNOWN
    bare_wallet: Wallet = NO_POINTS
    lots: dict[int, Lot] = field(default_factory=dict)
    standing: Standing = NO_STANDING
    campaigns: CampaignProgress = NO_CAMPAIGNS
    purchases: dict[str, Purchase] = field(default_factory=dict)
    refunded_before: dict[str, Decimal] = field(default_factory=dict)
    used_for: dict[str, Decimal] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)

    def wallet(self) -> Wallet:
        """With the lots at hand."""
        return replaced(self.bare_wallet, lots=self.lots) if self.lots else self.bare_wallet

    def bought(self) -> Purchases:
        """What is known of orders."""
        if not (self.purchases or self.refunded_before or self.used_for):
            return NO_PURCHASES
        return Purchases(
            by_id=self.purchases,
            refunded_before=self.refunded_before,
            used_for=self.used_for,
        )


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """One customer's state while it is being read."""

    coupons: dict[str, Coupon] = field(default_factory=dict)
    foreign_codes: set[str] = field(default_factory=set)
    foreign_external_codes: set[str] = field(default_factory=set)
    of_groups: dict[str, int] = field(default_factory=dict)
    issues: dict[int, tuple[datetime, ...]] = field(default_factory=dict)
    cards: dict[int, StampCard] = field(default_factory=dict)
    stamps: dict[tuple[str, int], Stamp] = field(default_factory=dict)
    reversed_orders: set[str] = field(default_factory=set)
    used_by: dict[str, tuple[str, ...]] = field(default_factory=dict)
    paid: dict[str, tuple[Take, ...]] = field(default_factory=dict)
    account: StoredAccount = field(default_factory=StoredAccount)

    def keep(self, row: asyncpg.Record) -> None:
        coupon = coupon_from(row)
        self.coupons[coupon.id] = coupon

    def state(self) -> CustomerState:
        """What nothing was found for is what it is of a new customer: most orders find a wallet and nothing else."""
        account = self.account
        return CustomerState(
            coupons=self._coupons(),
            stamps=Stamps(cards=self.cards, of_orders=self.stamps)
            if self.cards or self.stamps
            else NO_STAMPS,
            orders=ClosedOrders(reversed=frozenset(self.reversed_orders))
            if self.reversed_orders
            else NO_ORDERS,
            profile=account.profile,
            wallet=account.wallet(),
            standing=account.standing,
            campaigns=account.campaigns,
            purchases=account.bought(),
            others=Others(registered=frozenset(account.registered))
            if account.registered
            else NOBODY,
        )

    def _coupons(self) -> Coupons:
        foreign = self.foreign_codes or self.foreign_external_codes
        if not (self.coupons or foreign or self.issues or self.used_by or self.of_groups):
            return NO_COUPONS
        return Coupons(
            by_id=self.coupons,
            foreign_codes=frozenset(self.foreign_codes),
            issues=self.issues,
            used_by=self.used_by,
            paid=self.paid,
            foreign_external_codes=frozenset(self.foreign_external_codes),
            of_groups=self.of_groups,
        )


class Gathering:
    """States by customer, made when first something is found for one."""

    def __init__(self, connection: Connection, customers: Customers) -> None:
        self._connection = connection
        self._customers = customers
        self._by_number = {locked.number: key for key, locked in customers.items()}
        self._states: dict[CustomerKey, _Gathered] = {}
        self._unread: dict[tuple[CustomerKey, int], str] = {}

    def states(self) -> dict[CustomerKey, CustomerState]:
        """The state of every customer that has something to know; the others are new to the rules."""
        return {customer: gathered.state() for customer, gathered in self._states.items()}

    def games_of_coupons(self, customer: CustomerKey) -> set[int]:
        """Games whose coupons of this customer have been gathered."""
        found = self._states.get(customer)
        if found is None:
            return set()
        return {each.game_id for each in found.coupons.values() if each.game_id is not None}

    def account_of(self, customer: CustomerKey) -> StoredAccount:
        """What is being read of the customer's account."""
        return self._of(customer).account

    def account_of_number(self, number: int) -> StoredAccount:
        """The same by number."""
        return self._of_number(number).account

    def keep_use(self, order_id: str, row: asyncpg.Record) -> None:
        """A coupon with terms of which the customer's order has a use."""
        self._keep(self._by_number[row["customer_no"]], row)
        used_by = self._of_number(row["customer_no"]).used_by
        used_by[order_id] = (*used_by.get(order_id, ()), str(row["id"]))
        if row["used_for"] is not None:
            # The decision made first comes first.
            self.account_of_number(row["customer_no"]).used_for.setdefault(
                order_id, Decimal(row["used_for"])
            )

    def keep_bought(self, row: asyncpg.Record) -> None:
        """A coupon, with the points that it was bought with if it was."""
        self._keep(self._by_number[row["customer_no"]], row)
        if row["takes"] is not None:
            paid = self._of_number(row["customer_no"]).paid
            paid[str(row["id"])] = takes_from(row["takes"])

    def paid_by(self, number: int) -> Iterable[Take]:
        """What the coupons that were asked for were bought with."""
        return (take for takes in self._of_number(number).paid.values() for take in takes)

    def keep_coupons(self, rows: Rows) -> None:
        """Coupons of the customers at hand, from whichever look-up."""
        for row in rows:
            self._keep(self._by_number[row["customer_no"]], row)

    def judgeable(self) -> None:
        """Raises Unjudgeable if coupons were met that this release cannot read."""
        if self._unread:
            raise Unjudgeable(coupons=self._unread)

    def _keep(self, customer: CustomerKey, row: asyncpg.Record) -> None:
        try:
            self._of(customer).keep(row)
        except Exception as error:
            why = f"coupon {row['id']} cannot be read ({type(error).__name__}: {error})"
            if row["status"] not in set(CouponStatus):
                why = f"coupon {row['id']} has a status that this release does not know: {row['status']!r}"
            self._unread[customer, row["game_id"] or 0] = why

    async def gather_orders(self, arrivals: Sequence[tuple[Incoming, Needs]]) -> None:
        """What orders name, and what is known of them: codes, reversals, stamps, and the customers' cards."""
        await self._gather_codes(arrivals)
        names: set[tuple[int, str, int]] = set()
        known: set[tuple[int, str, int]] = set()
        used: set[tuple[int, str]] = set()
        for incoming, wanted in arrivals:
            if wanted.order_id is not None:
                locked = self._customers[incoming.customer]
                name = (incoming.customer[0], wanted.order_id, locked.number)
                names.add(name)
                if not locked.is_new:
                    known.add(name)
                    if wanted.gives_back:
                        used.add((locked.number, wanted.order_id))
        self.keep_coupons(await coupons.used_by_orders(self._connection, used))
        for row in await closed_orders.reversed_among(self._connection, known):
            self._of_number(row["customer_no"]).reversed_orders.add(row["order_id"])
        await self._gather_stamps(names)
        for row in await stamps.cards_of(self._connection, {number for *_, number in known}):
            card = StampCard(card_no=row["card_no"], stamps=row["stamps"])
            self._of_number(row["customer_no"]).cards[row["game_id"]] = card

    async def gather_holders(self, places: set[tuple[CustomerKey, int]]) -> None:
        """The coupons that hold these customers' single places."""
        numbers = {(self._customers[customer].number, game_id) for customer, game_id in places}
        self.keep_coupons(await coupons.holders(self._connection, numbers))

    async def gather_issues(self, games: Iterable[tuple[CustomerKey, Game]]) -> None:
        """When customers got coupons of games with limits, as far back as the largest limit asks."""
        wanted = {
            (self._customers[customer].number, game.id, game.customer_limits.largest)
            for customer, game in games
            if game.customer_limits.largest is not None and not self._customers[customer].is_new
        }
        for row in await coupons.past_issues(self._connection, wanted):
            issues = self._of_number(row["customer_no"]).issues
            issues[row["game_id"]] = (*issues.get(row["game_id"], ()), row["issued_at"])

    async def gather_groups(self, asked: Iterable[tuple[CustomerKey, str]]) -> None:
        """How many coupons of these groups customers have."""
        wanted = {
            (self._customers[customer].number, handle)
            for customer, handle in asked
            if not self._customers[customer].is_new
        }
        for row in await groups.of_customers(self._connection, wanted):
            self._of_number(row["customer_no"]).of_groups[row["handle"]] = row["coupons"]

    async def _gather_codes(self, arrivals: Sequence[tuple[Incoming, Needs]]) -> None:
        """The customers' own coupons of the codes in their orders, and which codes are somebody else's."""
        askers: dict[str, set[CustomerKey]] = {}
        written: dict[tuple[int, str], set[CustomerKey]] = {}
        for incoming, wanted in arrivals:
            for code in wanted.codes:
                askers.setdefault(code, set()).add(incoming.customer)
            for text in wanted.external_codes:
                written.setdefault((incoming.customer[0], text), set()).add(incoming.customer)
        for row in await coupons.of_codes(self._connection, askers, written):
            code, text = row["code"], row["external_code"]
            for customer in askers.get(code, ()):
                if row["customer_no"] == self._customers[customer].number:
                    self._keep(customer, row)
                elif row["partner_id"] == customer[0]:
                    self._of(customer).foreign_codes.add(code)
            for customer in written.get((row["partner_id"], text), ()):
                if row["customer_no"] == self._customers[customer].number:
                    self._keep(customer, row)
                else:
                    self._of(customer).foreign_external_codes.add(text)

    async def _gather_stamps(self, names: set[tuple[int, str, int]]) -> None:
        """Every stamp of these orders, told to each customer who names the order."""
        by_order: dict[tuple[int, str], list[asyncpg.Record]] = {}
        for row in await stamps.of_orders(self._connection, {name[:2] for name in names}):
            by_order.setdefault((row["partner_id"], row["order_id"]), []).append(row)
        for partner_id, order_id, number in names:
            for row in by_order.get((partner_id, order_id), ()):
                self._of_number(number).stamps[order_id, row["game_id"]] = Stamp(
                    card_no=row["card_no"],
                    is_mine=row["customer_no"] == number,
                    is_in_effect=not row["taken_back"],
                )

    def _of(self, customer: CustomerKey) -> _Gathered:
        found = self._states.get(customer)
        if found is None:  # made only then: one has a dozen fields, and is asked for by every row
            found = self._states[customer] = _Gathered()
        return found

    def _of_number(self, number: int) -> _Gathered:
        return self._of(self._by_number[number])
