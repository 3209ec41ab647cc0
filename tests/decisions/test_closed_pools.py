"""A group of coupons that goes: its codes are free, what it has issued stays, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from schemas.gameball_v4.changing import delete_group, post_campaign, put_group
from services.adapters.postgres.pool import kept_if
from services.adapters.postgres.pools import add_codes, left_of, open_pool
from services.adapters.postgres.programs import stored_programs
from services.decisions.program_changes import Changed, Edit, change, sections_of
from services.runtime.settings import Settings
from tests.stand.database import connected
from tests.stand.issuing import blocked_by
from tests.stand.pools import OURS, a_coupon, filled, issued, pool_of
from tests.stand.telling import a_program
from tests.stand.waiting import eventually

CAMPAIGN = {"name": "Join us", "type": "SignUp", "rewards": [{"walletReward": 100}]}


@pytest.fixture
async def groups(database: asyncpg.Connection, partner_id: int) -> None:
    """Two groups with codes each, one of which the first has issued."""
    await a_program(database, partner_id, couponGroups=[{"handle": "g"}, {"handle": "h"}])
    await filled(database, partner_id, "g", "a", "b", "c")
    await filled(database, partner_id, "h", "d")
    await a_coupon(database, partner_id, OURS, external=None, group="g")
    await issued(database, partner_id, "a")


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's connection."""
    async with connected(settings) as connection:
        yield connection


def without(handle: str) -> Edit:
    """The group is taken away."""
    return lambda now: delete_group(now, handle) or now


async def without_group(connection: asyncpg.Connection, partner_id: int, handle: str) -> Changed:
    """The group is deleted."""
    async with connection.transaction():
        return await change(connection, partner_id, actor="test", edit=without(handle))


async def is_there(connection: asyncpg.Connection, partner_id: int, handle: str) -> bool:
    """Whether the program has the group, as this connection sees it."""
    stored = await stored_programs(connection, [partner_id])
    return sections_of(stored[partner_id]).group(handle) is not None


async def codes(database: asyncpg.Connection) -> Sequence[tuple[str, bool]]:
    """Every code of a pool, and whether a coupon has it."""
    rows = await database.fetch(
        "SELECT code, coupon_id IS NOT NULL AS has FROM pool_codes ORDER BY code"
    )
    return [tuple(row) for row in rows]


@pytest.mark.usefixtures("groups")
async def test_codes_of_a_group_that_goes_are_free(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """What is issued stays; another group may have the rest. Made anew it has no pool, and its count goes on."""
    await without_group(database, partner_id, "g")
    assert await codes(database) == [("a", True), ("d", False)]
    added = await filled(database, partner_id, "h", "a", "b", "c")
    assert (added.accepted, added.duplicates) == (2, ["a"])
    async with database.transaction():
        await change(database, partner_id, actor="test", edit=lambda now: put_group(now, "g", {}))
    assert await left_of(database, partner_id, {"g": None, "h": None}) == {"g": None, "h": 3}
    assert await left_of(database, partner_id, {"g": 5}) == {"g": 4}


@pytest.mark.usefixtures("groups")
async def test_group_that_a_file_leaves_out_goes_too(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """And one that it keeps, keeps its codes."""
    await a_program(database, partner_id, couponGroups=[{"handle": "g", "title": "G"}])
    assert await codes(database) == [("a", True), ("b", False), ("c", False)]


@pytest.mark.usefixtures("groups")
async def test_trial_leaves_every_code(database: asyncpg.Connection, partner_id: int) -> None:
    """Rolled back, it has freed none, and the group still has its pool."""
    async with kept_if(False, database):
        await change(database, partner_id, actor="test", edit=without("g"))
    assert len(await codes(database)) == 4
    assert await left_of(database, partner_id, {"g": None}) == {"g": 2}


@pytest.mark.usefixtures("groups")
async def test_who_goes_waits_for_codes_that_come(
    database: asyncpg.Connection, other: asyncpg.Connection, partner_id: int
) -> None:
    """An import that is about to commit is waited for, and what it brought is freed with the rest."""
    importing = database.transaction()
    await importing.start()
    await add_codes(database, partner_id, "g", ["new"])
    await open_pool(database, partner_id, "g")
    assert await is_there(database, partner_id, "g")
    going = asyncio.create_task(without_group(other, partner_id, "g"))
    await eventually(lambda: blocked_by(database, database), "the change waits")
    await importing.commit()
    await going
    assert await codes(database) == [("a", True), ("d", False)]


@pytest.mark.parametrize("handle", ["g", "never-used"])
@pytest.mark.usefixtures("groups")
async def test_codes_do_not_come_to_a_group_that_has_gone(
    database: asyncpg.Connection, other: asyncpg.Connection, partner_id: int, handle: str
) -> None:
    """An import waits for the change that deletes its group, and then sees that there is none."""
    async with database.transaction():
        await change(
            database, partner_id, actor="test", edit=lambda now: put_group(now, handle, {})
        )
    going = database.transaction()
    await going.start()
    await change(database, partner_id, actor="test", edit=without(handle))
    async with other.transaction():
        await add_codes(other, partner_id, handle, ["new"])
        opening = asyncio.create_task(open_pool(other, partner_id, handle))
        await eventually(lambda: blocked_by(database, database), "the import waits")
        await going.commit()
        await opening
        assert not await is_there(other, partner_id, handle)


@pytest.mark.usefixtures("groups")
async def test_group_goes_beside_another_change_and_who_issues(
    settings: Settings, database: asyncpg.Connection, other: asyncpg.Connection, partner_id: int
) -> None:
    """Whoever finds the program changed lets go of the group before it tries again: who issues holds that one first."""
    adding = database.transaction()
    await adding.start()
    await change(database, partner_id, actor="test", edit=lambda now: post_campaign(now, CAMPAIGN))
    going = asyncio.create_task(without_group(other, partner_id, "g"))
    await eventually(lambda: blocked_by(database, database), "the deletion waits for the change")
    async with connected(settings) as issuing, issuing.transaction():
        held = asyncio.create_task(
            issuing.execute("SELECT FROM group_counts WHERE handle = 'g' FOR UPDATE")
        )
        await eventually(lambda: blocked_by(other, database), "who issues waits for the deletion")
        await adding.commit()
        await held
        # Whoever of the two wakes first: a code is given before the group goes, or there is none to give.
        given = await issuing.fetch(
            "UPDATE pool_codes SET coupon_id = gen_random_uuid() WHERE code = 'b' RETURNING code"
        )
        await issuing.execute("SELECT FROM programs WHERE partner_id = $1 FOR SHARE", partner_id)
    made = await going
    assert len(made.after.campaigns) == 1
    assert [group.handle for group in made.after.coupon_groups] == ["h"]
    issued = [(row["code"], True) for row in given]
    assert await codes(database) == [("a", True), *issued, ("d", False)]
    assert await pool_of(database, partner_id, "g") == []
