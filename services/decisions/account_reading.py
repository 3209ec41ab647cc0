"""Read what is stored of accounts: profiles, wallets, lots that an event may touch, and what orders have earned.

Asked in sets, and of customers whose events ask for it; of those met for the first time there is nothing to read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.adapters.postgres import accounts, coupons, points, profiles, purchases
from services.adapters.postgres.pool import Connection
from services.decisions.gathering import Gathering
from services.domain.arrival import CustomerKey, Incoming, LockedCustomer
from services.domain.needs import Needs
from services.domain.purchases import Purchase


async def gather_accounts(
    connection: Connection,
    gathering: Gathering,
    asked: Sequence[tuple[Incoming, Needs]],
    customers: Mapping[CustomerKey, LockedCustomer],
) -> None:
    """Everything that these events, which ask for accounts, may touch of them."""
    known = {
        incoming.customer: customers[incoming.customer]
        for incoming, _ in asked
        if not customers[incoming.customer].is_new
    }
    numbers = {locked.number for locked in known.values()}
    for row in await accounts.accounts_of(connection, numbers):
        account = gathering.account_of_number(row["customer_no"])
        if row["has_profile"]:
            account.profile = profiles.profile_from(row)
        if row["has_wallet"]:
            account.bare_wallet = points.wallet_from(row, {})
            account.standing = points.standing_from(row)
            account.campaigns = points.campaigns_from(row)
    await _gather_orders(connection, gathering, asked, customers)
    returning = {
        known[incoming.customer].number
        for incoming, wanted in asked
        if wanted.takes_points and incoming.customer in known
    }
    bought = {
        (known[incoming.customer].number, wanted.coupon_id)
        for incoming, wanted in asked
        if wanted.coupon_id is not None and incoming.customer in known
    }
    for row in await coupons.bought(connection, bought):
        gathering.keep_bought(row)
    await _gather_lots(connection, gathering, known.values(), returning)
    await _gather_referrers(connection, gathering, asked)


async def _gather_lots(
    connection: Connection,
    gathering: Gathering,
    customers: Collection[LockedCustomer],
    returning: Collection[int],
) -> None:
    """Lots that are over; of who may have to give points back, or get some, all that are open and those concerned."""
    over = {(locked.number, locked.at) for locked in customers if locked.number not in returning}
    earned = {
        (number, entry)
        for number in returning
        for purchase in gathering.account_of_number(number).purchases.values()
        for entry in (purchase.entry, *(each.entry for each in purchase.achievements))
        if entry is not None
    }
    paid = {(number, take.lot) for number in returning for take in gathering.paid_by(number)}
    found = [
        *await points.lots_over(connection, over),
        *await points.open_lots(connection, returning),
        *await points.lots(connection, earned | paid),
    ]
    for row in found:
        gathering.account_of_number(row["customer_no"]).lots[row["number"]] = points.lot_from(row)


async def _gather_orders(
    connection: Connection,
    gathering: Gathering,
    asked: Sequence[tuple[Incoming, Needs]],
    customers: Mapping[CustomerKey, LockedCustomer],
) -> None:
    """What the orders at hand have earned, what was refunded before they came; of reversals the coupons granted too."""
    orders = [
        (incoming.customer, wanted.order_id, wanted.gives_back)
        for incoming, wanted in asked
        if wanted.order_id is not None
    ]
    by_order = {
        (row["partner_id"], row["order_id"]): row
        for row in await purchases.of_orders(
            connection, {(customer[0], order_id) for customer, order_id, _ in orders}
        )
    }
    granted: set[str] = set()
    for customer, order_id, gives_back in orders:
        row = by_order.get((customer[0], order_id))
        if row is None:
            continue
        if row["customer_no"] == customers[customer].number:
            purchase = purchases.purchase_from(row)
            if gives_back:
                granted.update(id_ for each in purchase.achievements for id_ in each.coupon_ids)
        else:
            purchase = Purchase(order_id=order_id, is_mine=False)
        gathering.account_of(customer).purchases[order_id] = purchase
    names = {
        (customer[0], order_id, customers[customer].number)
        for customer, order_id, _ in orders
        if not customers[customer].is_new
    }
    for row in await purchases.refunded_before(connection, names):
        before = gathering.account_of_number(row["customer_no"]).refunded_before
        before[row["order_id"]] = row["refunded"]
    if granted:
        gathering.keep_coupons(await coupons.with_owners(connection, granted))
    returning = {
        (customers[customer].number, order_id)
        for customer, order_id, gives_back in orders
        if gives_back
    }
    for row in await purchases.uses_of(connection, returning):
        gathering.keep_use(row["order_id"], row)


async def _gather_referrers(
    connection: Connection, gathering: Gathering, asked: Sequence[tuple[Incoming, Needs]]
) -> None:
    """Who of those that registrations name has registered."""
    named = {
        (incoming.customer[0], wanted.referrer)
        for incoming, wanted in asked
        if wanted.referrer is not None
    }
    registered = {
        (row["partner_id"], row["customer_id"])
        for row in await profiles.registered_among(connection, named)
    }
    for incoming, wanted in asked:
        if (incoming.customer[0], wanted.referrer) in registered:
            assert wanted.referrer is not None
            gathering.account_of(incoming.customer).registered.add(wanted.referrer)
