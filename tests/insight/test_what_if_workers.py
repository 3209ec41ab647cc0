"""`what-if --program` divided over processes: families are decided whole, and what comes of it is always the same."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncpg
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from schemas.gameball_v4.exact_json import write
from services.insight.what_if.program.families import families_of
from services.insight.what_if.program.processes import Processes, Task
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from services.terminal.output import CommandError
from tests.insight.shop import OTHER_CASHBACK, PROGRAM, Shop
from tests.stand.commands import Command
from tests.stand.telling import a_program, ordered, refunded, told

CUSTOMERS = [f"c-{number}" for number in range(12)]


@pytest.fixture
async def shop(
    topics: Settings, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> Shop:
    return Shop(topics, database, pipeline, partner_id)


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=12))
def test_family_is_whom_pairs_connect(pairs: list[tuple[int, int]]) -> None:
    """Through whomever, in whatever order pairs come; it is named by its lowest number, which is left out."""
    families = families_of(pairs)
    together = {number: {number} for number in range(1, 13)}
    for one, other in pairs:
        both = together[one] | together[other]
        together.update(dict.fromkeys(both, both))
    lowest = {number: min(with_) for number, with_ in together.items()}
    assert families == {number: low for number, low in lowest.items() if low != number}


def a_week(seed: int, partner_id: int) -> list[Sequence[ConsumerRecord]]:
    """Customers of whom some bring others, some tell of an order of somebody else's; in polls."""
    dice = random.Random(seed)
    joined = [
        told(
            "customer.created", who, partner_id=partner_id,
            referred_by=dice.choice([*CUSTOMERS[:number], None]) if number % 2 else None,
        )
        for number, who in enumerate(CUSTOMERS)
    ]  # fmt: skip
    events = []
    for number in range(60):
        who = dice.choice(CUSTOMERS)
        order_id = dice.choice((f"o-{number}", f"o-{number // 8}", f"{who}-{number // 8}"))
        total = f"{dice.randrange(1, 9000) / 100:.2f}"
        happens = ordered if dice.random() < 0.8 else refunded
        events.append(happens(order_id, total, who, partner_id=partner_id))
    return [joined, *(events[start : start + 12] for start in range(0, len(events), 12))]


@pytest.mark.parametrize("seed", range(2))
async def test_what_comes_of_it_does_not_depend_on_how_many_share_the_work(
    seed: int, shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """One, two or five processes: the same document to the letter, in which nothing differs without a change."""
    await a_program(shop.database, shop.partner_id, **PROGRAM)
    for poll in a_week(seed, shop.partner_id):
        await shop.happens(poll)
    for sections in ({}, {"cashback": OTHER_CASHBACK}):
        file = tmp_path / "program.json"
        file.write_text(write({"partner_id": shop.partner_id, **sections}))
        said = [
            (await couponry("what-if", "--partner-id", shop.partner_id, "--program", file, "--workers", workers, "--json"))
            for workers in (1, 2, 5)
        ]  # fmt: skip
        first = said[0].json()
        assert [each.json() for each in said] == [first] * 3, said
        assert first["totals"]["customers"] == len(CUSTOMERS)
        assert bool(first["customers"]) == bool(sections)
        assert first["read"] == await shop.database.fetchval("SELECT count(*) FROM decisions")


async def refused(told: Callable[[int], None], number: int) -> int:
    """A task that one of several refuses."""
    if number:
        raise CommandError("nobody is there")
    return number


async def ended(told: Callable[[int], None], number: int) -> int:
    """A task whose process is killed."""
    if number:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize(("task", "line"), [(refused, "nobody is there"), (ended, "has ended")])
async def test_process_that_cannot_go_on_ends_the_work(task: Task, line: str) -> None:
    """What it refuses is refused; that it is no more is said, not waited for. The others are ended."""

    async def come_to(_: int) -> None:
        """Nobody listens."""

    processes = Processes(2)
    try:
        with pytest.raises(CommandError, match=line):
            await processes.all(task, [(0,), (1,)], come_to)
    finally:
        processes.close()
    assert not multiprocessing.active_children()
