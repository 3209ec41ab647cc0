"""Groups of coupons on the real database: caps and pools are exact, whoever comes at once; codes of pools each once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from services.adapters.postgres.pool import Connection
from services.decisions.manner import USUAL
from services.decisions.transaction import Deciding
from services.domain.coupons.codes import display
from tests.stand.grouped_shop import GroupedShop, cancel
from tests.stand.issuing import a_partner, blocked_by
from tests.stand.real_shop import decide, incoming
from tests.stand.telling import ordered, refunded
from tests.stand.waiting import eventually

ISSUERS = 4


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> GroupedShop:
    return GroupedShop(connection=database, partner_id=partner_id)


@pytest.fixture
async def issuers(pool: asyncpg.Pool) -> AsyncIterator[Sequence[Any]]:
    """Connections of several."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(pool.acquire()) for _ in range(ISSUERS)]


async def at_once(issuers: Sequence[Any], batches: Sequence[Sequence[Any]]) -> None:
    """Each issuer its batches, one after the other, all of them at the same time."""

    async def work(number: int) -> None:
        deciding = Deciding(USUAL)
        for batch in batches[number :: len(issuers)]:
            await decide(issuers[number], deciding, batch)

    await asyncio.gather(*(work(number) for number in range(len(issuers))))


async def test_last_place_of_a_cap_is_taken_exactly_once(
    shop: GroupedShop, issuers: Sequence[Any]
) -> None:
    """Thirty customers at once, seven places: seven coupons, none left, and 23 are told why not."""
    await shop.have({"handle": "club", "maxTotal": 7})
    await at_once(issuers, [[shop.visit("club", f"c-{n}")] for n in range(30)])
    assert len(await shop.in_place("club")) == await shop.counted("club") == 7
    assert await shop.declined() == ["group_exhausted"] * 23


async def test_codes_of_a_pool_are_given_once_each_and_all_of_them(
    shop: GroupedShop, issuers: Sequence[Any]
) -> None:
    """In batches of several, of codes that the partner brought and others that we made."""
    await shop.have({"handle": "club"})
    await shop.pool("club", *(f"Gratis {n}" for n in range(6)))
    ours = await shop.pool_of_ours("club", 5)
    batches = [[shop.visit("club", f"c-{n}-{k}") for k in range(3)] for n in range(10)]
    await at_once(issuers, batches)
    coupons = await shop.in_place("club")
    given = sorted(code for code, _ in await shop.told_codes())
    assert given == sorted([*(f"Gratis {n}" for n in range(6)), *ours])
    assert len(await shop.declined()) == 30 - 11
    taken = await shop.connection.fetch("SELECT coupon_id FROM pool_codes")
    assert {row["coupon_id"] for row in taken} == {row["id"] for row in coupons}


@pytest.mark.parametrize("commits", [False, True])
async def test_who_comes_second_waits_and_finds_what_is_left(
    shop: GroupedShop, issuers: Sequence[Any], commits: bool
) -> None:
    """The first has taken the last code and not committed: the second waits for that, and is refused, or gets it."""
    await shop.have({"handle": "club"})
    await shop.pool("club", "Gratis")
    first, second, *_ = issuers
    transaction, deciding = first.transaction(), Deciding(USUAL)
    await transaction.start()
    decided = await deciding.decide(first, [incoming(shop.visit("club"))])
    await deciding.record(first, decided)
    other = asyncio.create_task(decide(second, Deciding(USUAL), [shop.visit("club", "bert")]))
    await eventually(lambda: blocked_by(first, shop.connection), "the second waits")
    await (transaction.commit if commits else transaction.rollback)()
    await other
    (coupon,) = await shop.in_place("club")
    assert (coupon["customer_id"], coupon["external_code"]) == (
        "anna" if commits else "bert",
        "Gratis",
    )
    assert await shop.declined() == (["group_exhausted"] if commits else [])


async def test_cap_for_one_customer_is_exact_at_once(
    shop: GroupedShop, issuers: Sequence[Any]
) -> None:
    """Ten visits of one customer in four issuers, two coupons; another customer's are counted apart."""
    await shop.have({"handle": "club", "maxPerCustomer": 2})
    await at_once(issuers, [[shop.visit("club"), shop.visit("club", "bert")] for _ in range(10)])
    held = [row["customer_id"] for row in await shop.in_place("club")]
    assert sorted(held) == ["anna", "anna", "bert", "bert"]
    assert await shop.declined() == ["group_customer_limit_reached"] * 16


async def test_cancelled_coupon_gives_its_place_back_and_not_its_code(shop: GroupedShop) -> None:
    """One place in all and for each customer, two codes: after two cancellations there is a place and no code."""
    await shop.have({"handle": "club", "maxPerCustomer": 1, "maxTotal": 1})
    await shop.pool("club", "one", "two")
    for expected in ("one", "two"):
        await shop.decide([shop.visit("club")])
        (coupon,) = await shop.in_place("club")
        assert (coupon["external_code"], coupon["code_from"]) == (expected, "pool")
        await shop.decide([shop.visit("club")])
        await cancel(shop.connection, coupon["id"])
        assert await shop.counted("club") == 0
    await shop.decide([shop.visit("club")])
    assert await shop.in_place("club") == []
    assert await shop.declined() == [
        "group_customer_limit_reached", "group_customer_limit_reached", "group_exhausted",
    ]  # fmt: skip


async def test_places_come_back_while_others_want_them(
    shop: GroupedShop, issuers: Sequence[Any]
) -> None:
    """Twelve of twenty are cancelled beside a hundred visits: never more than twenty, and what is counted is there."""
    await shop.have({"handle": "club", "maxTotal": 20})
    await shop.decide([shop.visit("club", f"c-{n}") for n in range(20)])
    there = await shop.in_place("club")

    async def cancel_some() -> None:
        for coupon in there[:12]:
            await cancel(shop.connection, coupon["id"])

    visits = [[shop.visit("club", f"d-{n}-{k}") for k in range(5)] for n in range(20)]
    await asyncio.gather(at_once(issuers, visits), cancel_some())
    await shop.decide([shop.visit("club", f"e-{n}") for n in range(20)])
    assert len(await shop.in_place("club")) == await shop.counted("club") == 20


async def test_what_is_cancelled_in_a_batch_frees_its_place_in_the_same(
    shop: GroupedShop,
) -> None:
    """One place: an order earns it, is cancelled, and another one earns it, all in one batch as one by one."""
    await shop.set(
        campaigns=[
            {
                "name": "Buy",
                "type": "Reward Campaign",
                "isRepeatable": True,
                "rewards": [{"couponReward": {"couponType": "custom", "group": {"handle": "club"}}}],
            }
        ],
        couponGroups=[{"handle": "club", "maxTotal": 1}],
    )  # fmt: skip
    for size in (1, 5):
        records = [
            ordered(f"{size}-1", "50", partner_id=shop.partner_id),
            ordered(f"{size}-2", "50", "bert", partner_id=shop.partner_id),
            refunded(f"{size}-1", partner_id=shop.partner_id),
            ordered(f"{size}-3", "50", "carl", partner_id=shop.partner_id),
            refunded(f"{size}-3", customer_id="carl", partner_id=shop.partner_id),
        ]
        for start in range(0, len(records), size):
            await shop.decide(records[start : start + size])
        assert await shop.counted("club") == 0
    assert await shop.declined() == ["group_exhausted"] * 2
    assert len(await shop.told_codes()) == 4


async def deadlocks(connection: Connection) -> int:
    await connection.execute("SELECT pg_stat_force_next_flush()")
    number: int = await connection.fetchval(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    return number


@pytest.mark.parametrize("cap", [None, 40], ids=["without an end", "with one"])
async def test_groups_met_in_any_order_do_not_deadlock(
    shop: GroupedShop, issuers: Sequence[Any], cap: int | None
) -> None:
    """Batches that give of four groups, each in an order of its own: everybody takes them in one."""
    handles = ["a", "b", "c", "d"]
    await shop.have(*({"handle": handle, "maxTotal": cap} for handle in handles))
    before = await deadlocks(shop.connection)
    chance = random.Random(7)
    batches = [
        [shop.visit(handle, f"c-{n}") for handle in chance.sample(handles, k=chance.randint(2, 4))]
        for n in range(80)
    ]
    await at_once(issuers, batches)
    assert await deadlocks(shop.connection) == before
    wanted = [
        sum(f"visit {h}" in str(r.value) for batch in batches for r in batch) for h in handles
    ]
    for handle, count in zip(handles, wanted, strict=True):
        there = min(count, cap) if cap is not None else count
        assert len(await shop.in_place(handle)) == await shop.counted(handle) == there


async def test_crash_before_the_commit_gives_the_code_back(
    shop: GroupedShop, issuers: Sequence[Any]
) -> None:
    """Cut off with everything recorded: the code is free, and the next coupon's."""
    await shop.have({"handle": "club", "maxTotal": 1})
    await shop.pool("club", "Gratis")

    async def cut(*_: object) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await decide(issuers[0], Deciding(USUAL, alongside=cut), [shop.visit("club")])
    transaction = issuers[0].transaction()
    await transaction.start()
    deciding = Deciding(USUAL)
    decided = await deciding.decide(issuers[0], [incoming(shop.visit("club"))])
    await deciding.record(issuers[0], decided)
    await transaction.rollback()
    assert await shop.counted("club") == 0
    await decide(issuers[1], deciding, [shop.visit("club")])
    (coupon,) = await shop.in_place("club")
    assert coupon["external_code"] == "Gratis"


async def test_code_that_came_by_another_way_meanwhile_is_passed_by(shop: GroupedShop) -> None:
    """The partner's system has given a coupon the code that the pool has next: the one after it is given."""
    await shop.have({"handle": "club"}, {"handle": "spa"})
    await shop.pool("club", "one", "two")
    await shop.decide([shop.visit("spa", "bert")])
    await shop.connection.execute("UPDATE coupons SET external_code = 'one', code_from = 'webhook'")
    await shop.decide([shop.visit("club"), shop.visit("club")])
    (coupon,) = await shop.in_place("club")
    assert coupon["external_code"] == "two"
    assert await shop.declined() == ["group_exhausted"]


async def test_group_of_another_partner_is_another(
    shop: GroupedShop, database: asyncpg.Connection
) -> None:
    """Of the same handle: what one gives does not count for the other, and codes are its own."""
    other = GroupedShop(connection=database, partner_id=await a_partner(database))
    for each in (shop, other):
        await each.have({"handle": "club", "maxTotal": 1})
        await each.pool("club", "Gratis")
        await each.decide([each.visit("club"), each.visit("club")])
        assert [row["external_code"] for row in await each.in_place("club")] == ["Gratis"]
    assert await shop.declined() == ["group_exhausted"] * 2


async def test_order_reads_codes_that_partners_bring_before_ours(
    shop: GroupedShop, database: asyncpg.Connection
) -> None:
    """As written, or our code of the same coupon; another customer's is not theirs, another partner's unknown."""
    await shop.have({"handle": "club"}, options={"usageLimit": 9})
    other = GroupedShop(connection=database, partner_id=await a_partner(database))
    await other.have({"handle": "club"})
    await shop.pool("club", "Gratis", "berts")
    await other.pool("club", "foreign")
    await shop.decide([shop.visit("club"), shop.visit("club", "bert")])
    await other.decide([other.visit("club")])
    mine, berts = await shop.in_place("club")
    ours = display(mine["code"])
    for code, reason in (
        ("Gratis", None),
        (ours, None),
        (ours.lower(), None),
        ("gratis", "unknown_code"),
        (" Gratis", "unknown_code"),
        ("berts", "not_owner"),
        (display(berts["code"]), "not_owner"),
        ("foreign", "unknown_code"),
    ):
        await shop.order("10", codes=[code])
        assert (code, await shop.reasons()) == (code, [reason])
    await shop.order("10", codes=["Gratis", ours])
    assert await shop.reasons() == [None, "not_active"]
    (coupon,) = [row for row in await shop.in_place("club") if row["id"] == mine["id"]]
    assert coupon["used_count"] == 4


async def test_code_that_we_made_for_a_pool_is_read_like_any_of_ours(shop: GroupedShop) -> None:
    """With the prefix it was made with or without; the prefix that the coupon's terms would give is another's."""
    await shop.have({"handle": "club"}, options={"usageLimit": 9, "codePrefix": "CLUB"})
    (code,) = await shop.pool_of_ours("club", 1)
    await shop.decide([shop.visit("club")])
    bare = code.removeprefix("POOL-")
    assert await shop.told_codes() == [(code, None)]
    for typed, reason in (
        (code, None),
        (bare.lower(), None),
        (f"pool{bare.replace('-', '')}", None),
        (f"CLUB-{bare}", "unknown_code"),
    ):
        await shop.order("10", codes=[typed])
        assert (typed, await shop.reasons()) == (typed, [reason])


async def test_order_uses_a_code_that_the_same_batch_has_given(shop: GroupedShop) -> None:
    """A visit and an order in one batch come out as if one after the other."""
    await shop.have({"handle": "club"})
    await shop.pool("club", "Gratis")
    await shop.decide([shop.visit("club"), ordered("o-1", "10", partner_id=shop.partner_id, coupon_codes=["Gratis"])])  # fmt: skip
    assert await shop.reasons() == [None]
    steps = await shop.connection.fetch("SELECT value::jsonb ->> 'code' AS code FROM outbox WHERE ce_type = 'coupon.redeemed'")  # fmt: skip
    assert [row["code"] for row in steps] == ["Gratis"]


async def test_reversal_names_a_coupon_by_what_is_shown(shop: GroupedShop) -> None:
    """What came of its codes, in the decision that gives the use back."""
    await shop.have({"handle": "club"})
    await shop.pool("club", "Gratis")
    await shop.decide([shop.visit("club")])
    await shop.order("10", order_id="o", codes=["Gratis"])
    await shop.refund(None, "o")
    codes = (await shop.last())["codes"]
    assert [(each["code"], each["outcome"]) for each in codes] == [("Gratis", "reinstated")]
