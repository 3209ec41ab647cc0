"""A busy program breaks no invariant, and each fault planted into its accounts is found alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.adapters.postgres.pool import connect
from services.insight.verify.run import verify
from services.runtime.settings import Settings
from tests.insight.busy_program import make_busy
from tests.stand.copies import Copies, database_name

ONA = "(SELECT customer_no FROM customers WHERE customer_id = 'ona')"
LAIMA = "(SELECT customer_no FROM customers WHERE customer_id = 'laima')"
VISITS = "(SELECT min(source_id::bigint) FROM coupons WHERE source_kind = 'campaign')"

FAULTS = {
    "a balance that nobody earned": (
        f"UPDATE wallets SET balance = balance + 1 WHERE customer_no = {ONA}", "P1", "has balance",
    ),
    "a meter that nothing raised": (
        f"UPDATE wallets SET score = score + 1 WHERE customer_no = {ONA}", "P1", "has score",
    ),
    "an entry that is gone": (
        f"DELETE FROM ledger WHERE customer_no = {ONA} AND number = 2", "P1", "follows entry 1",
    ),
    "an entry that leaves another balance": (
        f"UPDATE ledger SET balance = balance + 1 WHERE customer_no = {ONA} AND number = 2", "P1", "leaves",
    ),
    "a ledger without a wallet": (
        f"DELETE FROM wallets WHERE customer_no = {LAIMA}", "P1", "has entries and no wallet",
    ),
    "an entry of a decision that nobody made": (
        f"UPDATE ledger SET event_key = gen_random_uuid() WHERE customer_no = {ONA} AND number = 1",
        "P2", "which is not there",
    ),
    "an entry of somebody else's decision": (
        ("UPDATE ledger SET event_key = (SELECT event_key FROM ledger WHERE number = 1 AND customer_no ="
        f" {LAIMA}) WHERE customer_no = {ONA} AND number = 1"), "P2", "of another customer",
    ),
    "points that came from nowhere": (
        f"UPDATE ledger SET event_key = NULL WHERE customer_no = {ONA} AND number = 1", "P2", "names no decision",
    ),
    "a lot that says another end of it": (
        (f"UPDATE lots SET expired = expired - 1 WHERE customer_no = {ONA} AND number ="
        f" (SELECT min(number) FROM lots WHERE customer_no = {ONA} AND expired > 0)"),
        "P3", "is not what its entries make of it",
    ),
    "points taken from no lot": (
        f"UPDATE ledger SET takes = '[[99, 30, 0]]' WHERE customer_no = {LAIMA} AND kind = 'spent'",
        "P3", "which is not there",
    ),
    "a lot that ended before its end": (
        ("UPDATE ledger SET at = at - interval '1 hour' WHERE kind = 'expired' AND (customer_no, number) IN"
        " (SELECT customer_no, number FROM ledger WHERE kind = 'expired' ORDER BY 1, 2 LIMIT 1)"),
        "P3", "at another instant",
    ),
    "a campaign achieved more often than it may": (
        (f"UPDATE wallets SET campaigns = jsonb_set(campaigns, ARRAY[{VISITS}::text, '0'], '9')"
        f" WHERE customer_no = {ONA}"), "P4", "more than it may",
    ),
    "a friend who never was one": (
        "UPDATE profiles SET referral_key = NULL WHERE referred_by IS NOT NULL", "P5", "was counted and should not be",
    ),
    "a referral in a loop": (
        f"UPDATE profiles SET referred_by = 'jonas' WHERE customer_no = {ONA}", "P5", "registered later",
    ),
    "a tier that progress does not reach": (
        f"UPDATE wallets SET tier_id = tier_id + 1 WHERE customer_no = {ONA}", "P6", "reaches another one",
    ),
    "a tier that rewarded twice": (
        ("WITH tier AS (SELECT source_id FROM ledger WHERE source_kind = 'tier' LIMIT 1), other AS ("
        f"   SELECT customer_no, min(number) AS number FROM ledger WHERE customer_no = {ONA} AND kind = 'earned'"
        "    AND source_kind = 'campaign' AND order_id IS NULL GROUP BY customer_no), lot AS ("
        "   UPDATE lots l SET source_kind = 'tier', source_id = tier.source_id FROM tier, other"
        "   WHERE l.customer_no = other.customer_no AND l.number = other.number)"
        " UPDATE ledger l SET source_kind = 'tier', source_id = tier.source_id FROM tier, other"
        " WHERE l.customer_no = other.customer_no AND l.number = other.number"), "P7", "rewarded twice",
    ),
    "a coupon of a campaign that was not achieved": (
        ("UPDATE coupons SET source_id = '987654' WHERE source_kind = 'campaign' AND id ="
        " (SELECT min(id::text)::uuid FROM coupons WHERE source_kind = 'campaign')"), "P8", "achieved no such campaign",
    ),
    "a coupon of another version of the program": (
        ("UPDATE coupons SET program_version = 99 WHERE id = (SELECT min(id::text)::uuid FROM coupons"
        " WHERE source_kind = 'campaign')"), "P8", "names version 99",
    ),
    "a refund that took nothing back": (
        "UPDATE purchases SET refunded = refunded - 1 WHERE refunded > 0 AND NOT is_closed AND order_id = 'o-1'",
        "P9", "has not left what its refund leaves",
    ),
}  # fmt: skip


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
    brought = await connection.fetchval("SELECT sum(referrals) FROM wallets")
    await connection.close()
    assert {tuple(row) for row in kinds} >= {
        ("earned", "order"), ("earned", "campaign"), ("earned", "tier"), ("earned", "referral"),
        ("earned", "manual"), ("spent", "manual"), ("reversed", "order"), ("reversed", "campaign"),
        ("expired", "order"),
    }  # fmt: skip
    assert (letters, brought) == (0, 1)


@pytest.fixture
async def tampered(copies: Copies, busy: Settings) -> AsyncIterator[Settings]:
    """A copy of its database, to plant a fault in, with the same topics."""
    async with copies.copy(database_name(busy)) as settings:
        yield settings.model_copy(update={"topic_prefix": busy.topic_prefix})


@pytest.mark.parametrize("fault", FAULTS)
async def test_verify_finds_a_fault_of_a_program(tampered: Settings, fault: str) -> None:
    """Each is found under its invariant, once, and nothing else is."""
    statement, invariant, words = FAULTS[fault]
    owner = await connect(tampered, "test", role=None)
    done = await owner.execute(statement)
    await owner.close()
    assert done.split()[-1] != "0", done
    report = await verify(tampered, lambda _line: None)
    assert [one.invariant for one in report.violations] == [invariant], report.violations
    assert words in report.violations[0].detail
