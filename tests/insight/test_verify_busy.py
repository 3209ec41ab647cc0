"""A shop where everything has happened breaks no invariant, and each fault planted into its database is found alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.adapters.postgres.pool import connect
from services.insight.verify.run import Report, verify
from services.runtime.settings import Settings
from tests.insight.busy import make_busy
from tests.insight.busy_faults import FAULTS
from tests.stand.copies import Copies, database_name


@pytest.fixture(scope="module")
async def busy(copies: Copies) -> AsyncIterator[Settings]:
    """At rest, and nobody is connected to it."""
    async with copies.copy() as settings:
        await make_busy(settings)
        yield settings


@pytest.fixture
async def tampered(copies: Copies, busy: Settings) -> AsyncIterator[Settings]:
    """A copy of its database, to plant a fault in, with the same topics."""
    async with copies.copy(database_name(busy)) as settings:
        yield settings.model_copy(update={"topic_prefix": busy.topic_prefix})


async def _verified(settings: Settings) -> Report:
    return await verify(settings, lambda _line: None)


async def test_verify_has_nothing_against_a_busy_shop(busy: Settings) -> None:
    """Used, given back, reserved, cancelled, expired, issued by hand, limits lowered, stamps taken back, told again."""
    report = await _verified(busy)
    assert (report.violations, report.unchecked, report.notes) == ([], [], [])
    connection = await connect(busy, "test")
    words = await connection.fetchval("SELECT count(DISTINCT word) FROM coupon_history")
    declined = await connection.fetch(
        "SELECT DISTINCT reason FROM decisions WHERE reason IS NOT NULL"
    )
    reused = await connection.fetchval("SELECT count(*) FROM reused_ids")
    await connection.close()
    assert words == 6
    assert {row["reason"] for row in declined} == {
        "active_coupon_exists", "customer_limit_reached", "game_limit_reached"
    }  # fmt: skip
    assert reused >= 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_verify_finds_a_fault_of_a_busy_shop(tampered: Settings, fault: str) -> None:
    """Each is found under its invariant, as often as it is there, and nothing else is."""
    statements, expected = FAULTS[fault]
    owner = await connect(tampered, "test", role=None)
    await owner.execute(statements)
    await owner.close()
    found = (await _verified(tampered)).violations
    assert [one.invariant for one in found] == [invariant for invariant, _ in expected], found
    for (_, words), one in zip(expected, found, strict=True):
        assert words in one.detail
