"""Load what the rules need to know of the customers at hand. Their rows are locked, so nothing here changes meanwhile.

Games and orders ask for different things: a batch without orders costs one look-up, and none if no single rule
or limit is concerned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.arrival import CustomerKey, Incoming, LockedCustomer
from services.domain.coupons.codes import parse
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.events import GameCompleted, OrderPlaced, OrderReversed
from services.domain.program import NO_LIMITS, Game, Program
from services.domain.state import CustomerState, Stamp, StampCard

_SQL = queries("states")
# A look-up instead of a call of the enum: a row is read for every code of an order.
_STATUS = {status.value: status for status in CouponStatus}


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """One customer's state while it is being read."""

    coupons: dict[str, Coupon] = field(default_factory=dict)
    foreign_codes: set[str] = field(default_factory=set)
    cards: dict[int, StampCard] = field(default_factory=dict)
    stamps: dict[tuple[str, int], Stamp] = field(default_factory=dict)
    reversed_orders: set[str] = field(default_factory=set)
    issues: dict[int, tuple[datetime, ...]] = field(default_factory=dict)

    def state(self) -> CustomerState:
        return CustomerState(
            coupons=self.coupons,
            foreign_codes=frozenset(self.foreign_codes),
            cards=self.cards,
            stamps=self.stamps,
            reversed_orders=frozenset(self.reversed_orders),
            issues=self.issues,
        )


class _Gathering:
    """States by customer, made when first something is found for one."""

    def __init__(self, customers: Mapping[CustomerKey, LockedCustomer]) -> None:
        self.by_number = {locked.number: key for key, locked in customers.items()}
        self.states: dict[CustomerKey, _Gathered] = {}

    def of(self, customer: CustomerKey) -> _Gathered:
        return self.states.setdefault(customer, _Gathered())

    def of_number(self, number: int) -> _Gathered:
        return self.of(self.by_number[number])


async def redeemed_by_orders(
    connection: Connection,
    arrivals: Iterable[Incoming],
    customers: Mapping[CustomerKey, LockedCustomer],
) -> list[asyncpg.Record]:
    """Rows of the coupons that reversed orders have redeemed, or will have if their order stands before them in this
    batch: their games must be in the program too."""
    reversed_orders = {
        (customers[one.customer].number, one.event.order_id)
        for one in arrivals
        if isinstance(one.event, OrderReversed)
    }
    if not reversed_orders:
        return []
    owners: dict[str, set[int]] = {}
    for one in arrivals:
        if isinstance(one.event, OrderPlaced):
            number = customers[one.customer].number
            if (number, one.event.order_id) in reversed_orders:
                for code in _codes_of(one.event):
                    owners.setdefault(code, set()).add(number)
    named = await _fetch(connection, "coupons_of_codes", {(code,) for code in owners})
    return [
        *await _fetch(connection, "coupons_of_orders", reversed_orders),
        *(row for row in named if row["customer_no"] in owners[row["code"]]),
    ]


def _codes_of(order: OrderPlaced) -> Iterator[str]:
    """The stored form of each code of an order that can be one."""
    for text in order.coupon_codes:
        if read := parse(text):
            yield read[1]


async def load_states(
    connection: Connection,
    arrivals: Sequence[Incoming],
    program: Program,
    customers: Mapping[CustomerKey, LockedCustomer],
    redeemed: Sequence[asyncpg.Record],
) -> dict[CustomerKey, CustomerState]:
    """The state of every customer that has something to know; the others are new to the rules."""
    gathering = _Gathering(customers)
    orders = [one for one in arrivals if not isinstance(one.event, GameCompleted)]
    if orders:
        await _gather_orders(connection, orders, customers, gathering)
        for row in redeemed:
            _keep_coupon(gathering.of_number(row["customer_no"]), row)
    games = _games_concerned(arrivals, program, customers, gathering)
    single = {
        (customers[customer].number, game.id)
        for customer, game in games
        if not game.allow_multiple_active_coupons
    }
    for row in await _fetch(connection, "single_coupons", single):
        _keep_coupon(gathering.of_number(row["customer_no"]), row)
    capped = {
        (customers[customer].number, game.id, game.customer_limits.largest)
        for customer, game in games
        if game.customer_limits.largest is not None
    }
    for row in await _fetch(connection, "past_issues", capped):
        issues = gathering.of_number(row["customer_no"]).issues
        issues[row["game_id"]] = (*issues.get(row["game_id"], ()), row["issued_at"])
    return {customer: gathered.state() for customer, gathered in gathering.states.items()}


def _games_concerned(
    arrivals: Iterable[Incoming],
    program: Program,
    customers: Mapping[CustomerKey, LockedCustomer],
    gathering: _Gathering,
) -> list[tuple[CustomerKey, Game]]:
    """Which games have a rule that looks at whose coupons; new customers have none."""
    concerned: dict[tuple[CustomerKey, int], Game] = {}
    for one in arrivals:
        event, customer = one.event, one.customer
        if customers[customer].is_new:
            continue
        if isinstance(event, GameCompleted):
            game = program.game_of(event.partner_id, event.game_id)
            if game is not None and _looks_at_coupons(game):
                concerned[customer, game.id] = game
            continue
        for game in program.stamp_games(event.partner_id):
            concerned[customer, game.id] = game
        for coupon in gathering.of(customer).coupons.values():
            if coupon.game_id in program.games:
                concerned[customer, coupon.game_id] = program.games[coupon.game_id]
    return [
        (customer, game) for (customer, _), game in concerned.items() if _looks_at_coupons(game)
    ]


def _looks_at_coupons(game: Game) -> bool:
    return not game.allow_multiple_active_coupons or game.customer_limits is not NO_LIMITS


async def _gather_orders(
    connection: Connection,
    orders: Sequence[Incoming],
    customers: Mapping[CustomerKey, LockedCustomer],
    gathering: _Gathering,
) -> None:
    """What codes name, and what is known of the orders, their stamps and the customers' cards."""
    await _gather_codes(connection, orders, customers, gathering)
    names: set[tuple[int, str, int]] = set()
    for one in orders:
        assert isinstance(one.event, (OrderPlaced, OrderReversed))
        number = customers[one.customer].number
        names.add((one.event.partner_id, one.event.order_id, number))
    for row in await _fetch(connection, "reversed_orders", names):
        gathering.of_number(row["customer_no"]).reversed_orders.add(row["order_id"])
    await _gather_stamps(connection, names, gathering)
    numbers = sorted({number for _, _, number in names})
    for row in await connection.fetch(_SQL["stamp_cards"], numbers):
        card = StampCard(card_no=row["card_no"], stamps=row["stamps"])
        gathering.of_number(row["customer_no"]).cards[row["game_id"]] = card


async def _gather_codes(
    connection: Connection,
    orders: Sequence[Incoming],
    customers: Mapping[CustomerKey, LockedCustomer],
    gathering: _Gathering,
) -> None:
    """The customers' own coupons of the codes in their orders, and which codes are somebody else's."""
    askers: dict[str, set[CustomerKey]] = {}
    for one in orders:
        if isinstance(one.event, OrderPlaced):
            for code in _codes_of(one.event):
                askers.setdefault(code, set()).add(one.customer)
    if not askers:
        return
    for row in await connection.fetch(_SQL["coupons_of_codes"], sorted(askers)):
        for customer in askers[row["code"]]:
            if row["customer_no"] == customers[customer].number:
                _keep_coupon(gathering.of(customer), row)
            elif row["partner_id"] == customer[0]:
                gathering.of(customer).foreign_codes.add(row["code"])


async def _gather_stamps(
    connection: Connection, names: set[tuple[int, str, int]], gathering: _Gathering
) -> None:
    """Every stamp of these orders, told to each customer who names the order."""
    by_order: dict[tuple[int, str], list[asyncpg.Record]] = {}
    for row in await _fetch(connection, "order_stamps", {name[:2] for name in names}):
        by_order.setdefault((row["partner_id"], row["order_id"]), []).append(row)
    for partner_id, order_id, number in names:
        for row in by_order.get((partner_id, order_id), ()):
            gathering.of_number(number).stamps[order_id, row["game_id"]] = Stamp(
                card_no=row["card_no"],
                is_mine=row["customer_no"] == number,
                is_in_effect=not row["taken_back"],
            )


async def _fetch(
    connection: Connection, query: str, keys: Collection[tuple[Any, ...]]
) -> list[asyncpg.Record]:
    """Rows of a query whose arguments are the columns of these keys; nothing to ask costs nothing."""
    if not keys:
        return []
    columns = (list(column) for column in zip(*sorted(keys), strict=True))
    return await connection.fetch(_SQL[query], *columns)


def _keep_coupon(gathered: _Gathered, row: asyncpg.Record) -> None:
    coupon = coupon_from(row)
    gathered.coupons[coupon.id] = coupon


def coupon_from(row: asyncpg.Record) -> Coupon:
    """A coupon from a row that has its columns."""
    return Coupon(
        id=str(row["id"]),
        code=row["code"],
        code_prefix=row["code_prefix"],
        game_id=row["game_id"],
        status=_STATUS[row["status"]],
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        holds_single_place=row["holds_single_place"],
        steps=row["steps"],
        notice_at=row["notice_at"],
        reserved_until=row["reserved_until"],
        reserved_shop_id=row["reserved_shop_id"],
        redeemed_at=row["redeemed_at"],
        redeemed_order_id=row["redeemed_order_id"],
    )
