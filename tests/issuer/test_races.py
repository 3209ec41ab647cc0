"""Sixty-four completions of one customer at once, under the single rule: one coupon, whoever wins, with Redis or without."""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.issuer.racer import pipelines, race
from tests.stand.issuing import a_game, audit
from tests.stand.processes import environment

pytestmark = pytest.mark.alone("its connections are a third of all that the server grants")

CONTENDERS = 64
ROUNDS = int(os.environ.get("RACE_ROUNDS", "6"))
"""For a long run: `RACE_ROUNDS=500 pytest --timeout 0 tests/issuer/test_races.py`."""
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


async def assert_one_winner_each(database: asyncpg.Connection, customers: list[str]) -> None:
    """For each customer one coupon, and 63 declines that name it."""
    rows = await database.fetch(
        "SELECT customer_id, count(*) FILTER (WHERE outcome = 'issued') AS issued,"
        " count(*) FILTER (WHERE reason = 'active_coupon_exists') AS declined,"
        " count(DISTINCT coalesce(coupon_id, blocking_coupon_id)) AS coupons"
        " FROM decisions JOIN customers USING (customer_no) GROUP BY customer_id"
    )
    assert {tuple(row) for row in rows} == {(name, 1, CONTENDERS - 1, 1) for name in customers}
    assert await database.fetchval("SELECT count(*) FROM coupons WHERE status = 'active'") == len(
        customers
    )
    await audit(database)


@pytest.mark.parametrize("redis", ["redis", "no redis"])
async def test_race_of_64_connections_issues_one_coupon(
    settings: Settings, database: asyncpg.Connection, partner_id: int, redis: str
) -> None:
    """Round after round, each with a customer nobody has met."""
    if redis == "no redis":
        settings = settings.model_copy(update={"redis_url": NOBODY_LISTENS})
    game_id = await a_game(database, partner_id)
    customers = [f"c{number}" for number in range(ROUNDS)]
    async with pipelines(settings, CONTENDERS) as lanes:
        for name in customers:
            assert await race(lanes, name, partner_id, game_id) == CONTENDERS

    await assert_one_winner_each(database, customers)


@pytest.mark.parametrize("redis", ["redis", "no redis"])
async def test_race_of_4_processes_issues_one_coupon(
    settings: Settings, database: asyncpg.Connection, partner_id: int, redis: str
) -> None:
    """The same between processes, which share no memory, no event loop and no cache."""
    if redis == "no redis":
        settings = settings.model_copy(update={"redis_url": NOBODY_LISTENS})
    game_id = await a_game(database, partner_id)
    customers = [f"c{number}" for number in range(ROUNDS // 2)]
    arguments = [str(number) for number in (CONTENDERS // 4, partner_id, game_id)]
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.issuer.racer", *arguments,
            env=environment(settings), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    try:
        assert [await read_line(racer) for racer in racers] == ["ready"] * 4
        for name in customers:
            for number, racer in enumerate(racers):
                assert racer.stdin
                racer.stdin.write(f"{name}:{number}\n".encode())
            assert sum([int(await read_line(racer)) for racer in racers]) == CONTENDERS
    finally:
        for racer in racers:
            racer.kill()
            await racer.communicate()

    await assert_one_winner_each(database, customers)


async def read_line(racer: asyncio.subprocess.Process) -> str:
    """What the process says next."""
    assert racer.stdout
    return (await asyncio.wait_for(racer.stdout.readline(), 60)).decode().strip()
