"""Pools of codes in the database: whose a code is, in which order they wait, what is left, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.adapters.postgres.pool import API_ROLE, connect
from services.adapters.postgres.pools import add_codes, left_of, open_pool
from services.runtime.settings import Settings
from tests.stand.issuing import a_partner, blocked_by
from tests.stand.pools import OURS, a_coupon, filled, issued, made, pool_of
from tests.stand.waiting import eventually

OTHER = "777777777777777Z"


@pytest.fixture
async def importing(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A second connection, as another import has it."""
    connection = await connect(settings, "importing")
    yield connection
    await connection.close()


async def test_codes_wait_in_the_order_in_which_they_came(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """Of one list, and of the next; not by their letters."""
    first = [f"c-{number}" for number in range(300, 0, -1)]
    assert (await filled(database, partner_id, "g", *first)).accepted == 300
    await filled(database, partner_id, "g", "b", "a")
    assert await pool_of(database, partner_id, "g") == [*first, "b", "a"]


CODES = {
    # a code, and whether somebody has it
    "in-its-pool": True,
    "In-Its-Pool": False,
    "in-another-group": True,
    "issued-from-a-pool": True,
    "shown-by-a-coupon": True,
    "of-another-partner": False,
    "shown-by-anothers-coupon": False,
    OURS: True,
    "0123-4567-89ab-cdez": True,
    "hi0123456789abcdez": True,
    "oi23-4567-89ab-cdez": True,
    "XX-0123-4567-89AB-CDEZ": False,
    "0123-4567-89AB-CDEY": False,
    "7777-7777-7777-777Z": True,
    "sun777777777777777z": True,
    "new": False,
}


@pytest.mark.parametrize("by_api", [False, True], ids=["worker", "api"])
async def test_code_is_somebodys_already(
    settings: Settings, database: asyncpg.Connection, partner_id: int, by_api: bool
) -> None:
    """Exactly as written of the partner's own; of ours, however it is written and whoever's it is."""
    other = await a_partner(database)
    await filled(database, partner_id, "g", "in-its-pool")
    await filled(database, partner_id, "h", "in-another-group", "issued-from-a-pool")
    await issued(database, partner_id, "issued-from-a-pool")
    await filled(database, other, "g", "of-another-partner")
    await a_coupon(database, partner_id, "K" * 16, external="shown-by-a-coupon")
    await a_coupon(database, other, OURS, prefix="HI", external="shown-by-anothers-coupon")
    await made(database, other, "g", "SUN-7777-7777-7777-777Z", OTHER, "SUN")
    connection = database
    if by_api:
        connection = await connect(settings, "api", role=API_ROLE)
        await connection.execute(f"SET couponry.partner_id = '{partner_id}'")
    added = await filled(connection, partner_id, "g", *CODES)
    assert added.duplicates == [code for code, is_taken in CODES.items() if is_taken]
    new = [code for code, is_taken in CODES.items() if not is_taken]
    assert added.accepted == len(new)
    assert await pool_of(database, partner_id, "g") == ["in-its-pool", *new]
    if by_api:
        await connection.close()


async def test_code_twice_in_a_list_comes_in_once(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """Each further one is named, so that accepted and duplicates are all that was sent."""
    added = await filled(database, partner_id, "g", "a", "b", "a", "a")
    assert (added.accepted, added.duplicates) == (2, ["a", "a"])
    added = await filled(database, partner_id, "g", "a", "c", "c")
    assert (added.accepted, added.duplicates) == (1, ["a", "c"])


@pytest.mark.parametrize("is_kept", [True, False])
async def test_of_two_imports_at_once_one_has_the_code(
    database: asyncpg.Connection, importing: asyncpg.Connection, partner_id: int, is_kept: bool
) -> None:
    """The second waits for the first: it names what that one has brought, and brings it where that one gives up."""
    first = database.transaction()
    await first.start()
    await add_codes(database, partner_id, "g", ["a", "b"])
    second = asyncio.create_task(filled(importing, partner_id, "h", "b", "c"))
    await eventually(lambda: blocked_by(database, database), "the second import waits")
    await (first.commit() if is_kept else first.rollback())
    added = await second
    assert (added.accepted, added.duplicates) == ((1, ["b"]) if is_kept else (2, []))
    assert await pool_of(database, partner_id, "g") == (["a", "b"] if is_kept else [])


async def test_imports_of_the_same_codes_in_any_order_do_not_deadlock(
    settings: Settings, database: asyncpg.Connection, partner_id: int
) -> None:
    """Eight at once, there and back: every code comes in once, and every other time it is named."""
    codes = [f"c-{number}" for number in range(500)]

    async def bring(turn: int) -> tuple[int, int]:
        connection = await connect(settings, "importing")
        try:
            mine = codes if turn % 2 else codes[::-1]
            added = await filled(connection, partner_id, f"g{turn % 3}", *mine)
            return added.accepted, len(added.duplicates)
        finally:
            await connection.close()

    came = await asyncio.gather(*(bring(turn) for turn in range(8)))
    assert sum(accepted for accepted, _ in came) == 500
    assert sum(duplicates for _, duplicates in came) == 3500
    assert await database.fetchval("SELECT count(DISTINCT code) FROM pool_codes") == 500


async def test_import_waits_for_who_issues_only_in_the_end(
    database: asyncpg.Connection, importing: asyncpg.Connection, partner_id: int
) -> None:
    """While a coupon of the group is being issued codes come in, and the group has a pool once that one is done."""
    await filled(database, partner_id, "g", "a", "b")
    issuing = database.transaction()
    await issuing.start()
    await database.execute("SELECT FROM group_counts WHERE handle = 'g' FOR UPDATE")
    await database.execute("UPDATE pool_codes SET coupon_id = gen_random_uuid() WHERE code = 'a'")
    async with importing.transaction():
        added = await add_codes(importing, partner_id, "g", ["b", "c"])
        assert (added.accepted, added.duplicates) == (1, ["b"])
        opening = asyncio.create_task(open_pool(importing, partner_id, "g"))
        await eventually(lambda: blocked_by(database, database), "the import waits")
        await issuing.commit()
        await opening
    assert await pool_of(database, partner_id, "g") == ["b", "c"]


LEFT = [
    # cap, coupons issued, codes in the pool (None: it has none), how many of them are issued, what is left
    (None, 0, None, 0, None),
    (None, 2, None, 0, None),
    (5, 0, None, 0, 5),
    (5, 2, None, 0, 3),
    (1, 2, None, 0, 0),
    (None, 1, 4, 1, 3),
    (None, 4, 4, 4, 0),
    (3, 2, 9, 2, 1),
    (9, 2, 4, 2, 2),
]


@pytest.mark.parametrize(("cap", "coupons", "codes", "given", "left"), LEFT)
async def test_least_is_left_of_cap_and_pool(
    database: asyncpg.Connection, partner_id: int, cap: int | None, coupons: int, codes: int | None, given: int,
    left: int | None,
) -> None:  # fmt: skip
    """Of a group without either there is no end; codes of others, and of other groups, do not count."""
    names = [f"c-{number}" for number in range(codes or 0)]
    if codes is not None:
        await filled(database, partner_id, "g", *names)
    await filled(database, partner_id, "other", "o")
    await filled(database, await a_partner(database), "g", "theirs")
    for number in range(coupons):
        await a_coupon(database, partner_id, f"{number}" * 16, group="g")
    await issued(database, partner_id, *names[:given])
    assert await left_of(database, partner_id, {"g": cap, "nobody": None}) == {
        "g": left,
        "nobody": None,
    }
    at_most = (await left_of(database, partner_id, {"g": cap}, most=1))["g"]
    assert (at_most == 0) == (left == 0)
