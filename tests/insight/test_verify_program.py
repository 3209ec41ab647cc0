"""A busy program breaks no invariant, and each fault planted into its accounts is found alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.adapters.postgres.pool import connect
from services.insight.verify.run import verify
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.insight import group_faults, program_faults, redemption_faults, use_faults
from tests.stand.busy_program import make_busy
from tests.stand.copies import Copies, database_name
from tests.stand.telling import told

FAULTS = program_faults.FAULTS | use_faults.FAULTS | group_faults.FAULTS | redemption_faults.FAULTS


@pytest.fixture(scope="module")
async def busy(copies: Copies) -> AsyncIterator[Settings]:
    """At rest, and nobody is connected to it."""
    async with copies.copy() as settings:
        await make_busy(settings)
        yield settings


async def test_verify_has_nothing_against_a_busy_program(busy: Settings) -> None:
    """Earned, refunded, promoted, achieved, referred, booked by hand, ended; what we told ourselves came back to us."""
    report = await verify(busy, lambda _line: None)
    assert (report.violations, report.unchecked, report.notes) == ([], [], [])
    connection = await connect(busy, "test")
    kinds = await connection.fetch("SELECT DISTINCT kind, source_kind FROM ledger")
    letters = await connection.fetchval("SELECT count(*) FROM dead_letters")
    granted = await connection.fetch("SELECT DISTINCT source_kind FROM coupons")
    brought = await connection.fetchval("SELECT sum(referrals) FROM wallets")
    await connection.close()
    assert {tuple(row) for row in kinds} >= {
        ("earned", "order"), ("earned", "campaign"), ("earned", "tier"), ("earned", "referral"),
        ("earned", "manual"), ("spent", "manual"), ("reversed", "order"), ("reversed", "campaign"),
        ("expired", "order"), ("earned", "card"), ("expired", "card"), ("spent", "redemption"),
        ("restored", "redemption"),
    }  # fmt: skip
    assert {row["source_kind"] for row in granted} == {
        "campaign", "tier", "referral", "redemption",
    }  # fmt: skip
    assert (letters, brought) == (0, 1)


async def test_friend_who_registers_in_the_batch_of_who_brought_them(
    topics: Settings, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Each customer has an instant of their own there, whose order by name says nothing of the order of decisions."""
    await pipeline.process(
        [
            told("customer.created", "zoe", partner_id=partner_id),
            told("customer.created", "adam", partner_id=partner_id, referred_by="zoe"),
        ]
    )
    rows = await database.fetch("SELECT referred_by FROM profiles ORDER BY registered_at")
    assert [row["referred_by"] for row in rows] == ["zoe", None]
    report = await verify(topics, lambda _line: None)
    assert [one for one in report.violations if one.invariant == "P5"] == []


@pytest.fixture
async def tampered(copies: Copies, busy: Settings) -> AsyncIterator[Settings]:
    """A copy of its database, to plant a fault in, with the same topics."""
    async with copies.copy(database_name(busy)) as settings:
        yield settings.model_copy(update={"topic_prefix": busy.topic_prefix})


@pytest.mark.parametrize("fault", FAULTS)
async def test_verify_finds_a_fault_of_a_program(tampered: Settings, fault: str) -> None:
    """Each is found under its invariant, as often as it is there, and nothing else is."""
    statements, expected = FAULTS[fault]
    owner = await connect(tampered, "test", role=None)
    done = await owner.execute(statements)
    await owner.close()
    assert done.split()[-1] != "0", done
    found = (await verify(tampered, lambda _line: None)).violations
    assert [one.invariant for one in found] == [invariant for invariant, _ in expected], found
    for (_, words), one in zip(expected, found, strict=True):
        assert words in one.detail
