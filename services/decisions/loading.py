"""Load what the rules need to know of the customers at hand. Their rows are locked, so nothing here changes meanwhile.

What each event needs is said in `services.domain.needs`; this module asks for it in sets, and for nothing else: a batch
without orders costs no look-up beyond the one that locked its customers, unless a game has limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from services.adapters.postgres.pool import Connection
from services.decisions.account_reading import gather_accounts
from services.decisions.gathering import Customers, Gathering, Rows
from services.decisions.programs import Programs, UnreadGames
from services.domain.arrival import CustomerKey, Incoming
from services.domain.needs import Needs, needs
from services.domain.program import Program
from services.domain.state import NEW_CUSTOMER, CustomerState
from services.domain.unjudged import Unjudgeable

NO_CHANGES: Mapping[CustomerKey, CustomerState] = {}


async def load(
    connection: Connection,
    programs: Programs,
    program: Program,
    asked: Sequence[tuple[Incoming, Needs]],
    customers: Customers,
    *,
    holders: Rows | None = None,
    changes: Mapping[CustomerKey, CustomerState] = NO_CHANGES,
) -> tuple[dict[CustomerKey, CustomerState], Program]:
    """The customers that have something to know, and the program with the games that were found on the way.

    `holders` of the single places asked for, where they have been looked up. `changes`: what customers would be by
    decisions that nobody records; it is only looked at, to load what reversals of those may come upon.

    Raises Unjudgeable.
    """
    orders = [(incoming, wanted) for incoming, wanted in asked if wanted.order_id is not None]
    gathering = Gathering(connection, customers)
    if holders is None:
        await gathering.gather_holders(set(places(asked)))
    else:
        gathering.keep_coupons(holders)
    if orders:
        await gathering.gather_orders(orders)
        returning = {incoming.customer for incoming, wanted in orders if wanted.gives_back}
        program = await _given_back(connection, gathering, programs, program, returning, changes)
    accounts = [(incoming, wanted) for incoming, wanted in asked if wanted.account]
    if accounts:
        await gather_accounts(connection, gathering, accounts, customers)
    await gathering.gather_issues(
        (incoming.customer, game) for incoming, wanted in asked for game in wanted.looks_at
    )
    await gathering.gather_groups(_capped_groups(asked, program))
    gathering.judgeable()
    return gathering.states(), program


def _capped_groups(
    asked: Iterable[tuple[Incoming, Needs]], program: Program
) -> Iterator[tuple[CustomerKey, str]]:
    """Groups with a cap for each customer that an event may earn a coupon of."""
    for incoming, wanted in asked:
        if wanted.groups:
            groups = program.partners[incoming.customer[0]].groups
            for handle in wanted.groups:
                if groups[handle].max_per_customer is not None:
                    yield incoming.customer, handle


async def _given_back(
    connection: Connection,
    gathering: Gathering,
    programs: Programs,
    program: Program,
    returning: Iterable[CustomerKey],
    changes: Mapping[CustomerKey, CustomerState],
) -> Program:
    """The rules of the coupons that reversals may give back, and who holds the places those would take.

    Of every coupon of such a customer, since an order of this very batch may use one before it is reversed.
    """
    found: set[tuple[CustomerKey, int]] = set()
    for customer in returning:
        changed = changes.get(customer, NEW_CUSTOMER).coupons.by_id.values()
        found |= {(customer, game_id) for game_id in gathering.games_of_coupons(customer)}
        found |= {(customer, each.game_id) for each in changed if each.game_id is not None}
    try:
        program = await programs.with_games(connection, program, {game for _, game in found})
    except UnreadGames as error:
        whys = {game.id: game.why for game in error.games}
        unread = {(who, game): whys[game] for who, game in found if game in whys}
        raise Unjudgeable(coupons=unread) from error
    await gathering.gather_holders(
        {
            (customer, game_id)
            for customer, game_id in found
            if game_id in program.games and not program.games[game_id].allow_multiple_active_coupons
        }
    )
    return program


def what_they_need(arrivals: Iterable[Incoming], program: Program) -> list[tuple[Incoming, Needs]]:
    """Each event with what it needs."""
    return [(incoming, needs(incoming.event, program)) for incoming in arrivals]


def places(asked: Iterable[tuple[Incoming, Needs]]) -> Iterable[tuple[CustomerKey, int]]:
    """The single places that these events may ask for."""
    for incoming, wanted in asked:
        for game in wanted.looks_at:
            if not game.allow_multiple_active_coupons:
                yield incoming.customer, game.id
