"""Two at once under a program: an order earns once, and no decision names rules that were not in force."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from services.adapters.postgres.pool import Connection
from services.decisions.manner import USUAL
from services.decisions.transaction import Deciding
from tests.stand.real_shop import BASE, RealShop, decide, incoming, rate
from tests.stand.snapshots import differences, everything
from tests.stand.telling import a_program, ordered, refunded, told


@dataclass(slots=True)
class AtOnce:
    """Something that happens once, when a batch was decided and nothing of it is written."""

    happens: Callable[[], Awaitable[object]]
    times: int = 0

    async def __call__(self, connection: Connection, *_: object) -> None:
        self.times += 1
        if self.times == 1:
            await self.happens()


@pytest.fixture
async def two(pool: asyncpg.Pool) -> AsyncIterator[Sequence[Any]]:
    """Connections of two issuers."""
    async with pool.acquire() as one, pool.acquire() as other:
        yield one, other


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> RealShop:
    """With one point for each euro."""
    shop = RealShop(connection=database, partner_id=partner_id)
    await shop.set()
    return shop


async def test_order_of_two_customers_at_once_earns_once(
    shop: RealShop, two: Sequence[Any]
) -> None:
    """Both decide upon the same; whoever writes second begins again and finds that the order has counted."""
    both = asyncio.Barrier(2)
    issuers = [AtOnce(both.wait), AtOnce(both.wait)]
    await asyncio.gather(
        *(
            decide(connection, Deciding(USUAL, alongside=issuer), [ordered("o-1", "50", who, partner_id=shop.partner_id)])
            for connection, issuer, who in zip(two, issuers, ("anna", "bert"), strict=True)
        )
    )  # fmt: skip
    assert sorted(issuer.times for issuer in issuers) == [1, 2]
    reasons = await shop.connection.fetch("SELECT reason FROM decisions ORDER BY seq")
    assert [row["reason"] for row in reasons] == [None, "order_already_counted"]
    assert await shop.connection.fetchval("SELECT sum(balance) FROM wallets") == 50
    assert await shop.connection.fetchval("SELECT count(*) FROM ledger") == 1


async def test_first_order_of_one_customer_at_once_earns_once(
    shop: RealShop, two: Sequence[Any]
) -> None:
    """Two events of one order, both by somebody never seen: one waits for the other, and then knows."""
    await asyncio.gather(
        *(
            decide(connection, Deciding(USUAL), [ordered("o-1", "50", partner_id=shop.partner_id)])
            for connection in two
        )
    )
    assert (await shop.wallet())["balance"] == 50
    assert await shop.connection.fetchval("SELECT count(*) FROM decisions") == 2


def changes() -> dict[str, Callable[[RealShop], Awaitable[object]]]:
    """Whatever a partner can do to the rules of an order."""
    return {
        "sections": lambda shop: shop.set(cashback=rate("1", "3")),
        "a card": lambda shop: shop.card(points_per_currency=3, currency_amount=1),
        "the zone": lambda shop: shop.connection.execute(
            "UPDATE partners SET time_zone = 'Asia/Tokyo' WHERE id = $1", shop.partner_id
        ),
    }


@pytest.mark.parametrize("what", changes())
async def test_change_under_a_decided_batch_is_what_it_is_recorded_by(
    shop: RealShop, two: Sequence[Any], what: str
) -> None:
    """The batch begins again: it names the version that is in force at its commit, and earns by it."""
    change = AtOnce(lambda: changes()[what](shop))
    record = ordered("o-1", "50", partner_id=shop.partner_id)
    assert await decide(two[0], Deciding(USUAL, alongside=change), [record]) == 1
    assert change.times == 2
    decision = await shop.last()
    assert decision["program_version"] == await shop.connection.fetchval(
        "SELECT version FROM programs"
    )
    assert (await shop.wallet())["balance"] == (150 if what == "sections" else 50)


async def test_card_before_any_program_moves_what_is_confirmed(
    database: asyncpg.Connection, partner_id: int, two: Sequence[Any]
) -> None:
    """At version 0 a card is no version; who registers meanwhile is given it none the less."""
    shop = RealShop(connection=database, partner_id=partner_id)
    change = AtOnce(shop.card)
    await decide(
        two[0], Deciding(USUAL, alongside=change), [told("customer.created", partner_id=partner_id)]
    )
    assert change.times == 2
    assert await database.fetchval("SELECT version FROM programs") == 0
    assert await database.fetchval("SELECT card_id FROM profiles") is not None


async def test_stale_rules_of_a_second_issuer_are_never_recorded(
    shop: RealShop, two: Sequence[Any]
) -> None:
    """Each has decided by version 1 and keeps it at hand; after a change neither says so again."""
    issuers = [(connection, Deciding(USUAL)) for connection in two]
    for number, (connection, deciding) in enumerate(issuers):
        await decide(
            connection, deciding, [ordered(f"before-{number}", "1", partner_id=shop.partner_id)]
        )
    version = await shop.set(cashback=rate("1", "3"))
    for number, (connection, deciding) in enumerate(issuers):
        await decide(
            connection, deciding, [ordered(f"after-{number}", "1", partner_id=shop.partner_id)]
        )
    rows = await shop.connection.fetch(
        "SELECT d.order_id, d.program_version, p.points FROM decisions d JOIN purchases p USING (partner_id, order_id) ORDER BY d.seq"
    )
    assert [tuple(row) for row in rows] == [
        ("before-0", 1, 1), ("before-1", 1, 1), ("after-0", version, 3), ("after-1", version, 3),
    ]  # fmt: skip


async def test_coupon_that_is_granted_and_cancelled_in_one_batch_is_written_at_once(
    shop: RealShop,
) -> None:
    """An order, what it achieves and its cancellation: no race is lost to oneself, and each step is there."""
    coupon = {"couponType": "Free Shipping"}
    campaign = {
        "name": "First",
        "type": "Reward Campaign",
        "rewards": [{"couponReward": coupon, "walletReward": 5}],
    }
    await shop.set(**{**BASE, "campaigns": [campaign]})
    arrivals = [
        incoming(record)
        for record in (
            ordered("o-1", "50", partner_id=shop.partner_id),
            refunded("o-1", partner_id=shop.partner_id),
        )
    ]
    deciding = Deciding(USUAL)
    async with shop.connection.transaction():
        await deciding.record(shop.connection, await deciding.decide(shop.connection, arrivals))
    (granted,) = await shop.coupons()
    assert (granted["status"], granted["steps"]) == ("cancelled", 1)
    assert (await shop.wallet())["balance"] == 0
    words = await shop.connection.fetch(
        "SELECT ce_type FROM outbox WHERE topic LIKE 'coupon%' ORDER BY id"
    )
    assert [row["ce_type"] for row in words] == ["coupon.issued", "coupon.cancelled"]


async def test_crash_at_any_statement_leaves_nothing(shop: RealShop, two: Sequence[Any]) -> None:
    """Cut off after recording, before the commit: not a row of any table; presented again it is as if never cut."""
    await a_program(shop.connection, shop.partner_id, **BASE)
    records = [
        ordered("o-1", "50", partner_id=shop.partner_id),
        refunded("o-1", "20", partner_id=shop.partner_id),
        refunded("o-2", "3", partner_id=shop.partner_id),
    ]
    nothing = await everything(shop.connection)

    async def cut() -> None:
        raise ConnectionResetError

    deciding = Deciding(USUAL, alongside=AtOnce(cut))
    with pytest.raises(ConnectionResetError):
        await decide(two[0], deciding, records)
    assert differences(await everything(shop.connection), nothing) == []
    transaction = two[0].transaction()
    await transaction.start()
    arrivals = [incoming(record) for record in records]
    await deciding.record(two[0], await deciding.decide(two[0], arrivals))
    await transaction.rollback()
    assert differences(await everything(shop.connection), nothing) == []
    assert await decide(two[1], deciding, records) == 3
    assert (await shop.wallet())["balance"] == 30


async def test_refund_told_by_somebody_else_touches_nothing(shop: RealShop) -> None:
    """Neither in the same batch nor later: an order's refunds are of the customer who has it."""
    mine = [
        ordered("o-1", "50", partner_id=shop.partner_id),
        refunded("o-1", partner_id=shop.partner_id),
    ]
    theirs = refunded("o-1", "10", "bert", partner_id=shop.partner_id)
    await decide(shop.connection, shop.deciding, [*mine, theirs])
    await shop.refund("20", "o-1", customer="carl")
    row = await shop.connection.fetchrow("SELECT refunded, is_closed FROM purchases")
    assert row is not None
    assert (row["refunded"], row["is_closed"]) == (50, True)


async def test_refund_of_nothing_before_its_order_is_remembered(shop: RealShop) -> None:
    """It was told by part: the order is no cancelled one, and earns all of it."""
    await shop.refund("0", "o-1")
    assert await shop.order("50", order_id="o-1") == 50
    assert (await shop.last())["reason"] is None
