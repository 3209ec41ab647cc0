"""A partner whose own system was told of coupons breaks no invariant, and each fault planted into that is found alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from schemas.topics import COUPON_ISSUED, COUPON_LIFECYCLE
from services.adapters.postgres.pool import connect
from services.insight.verify.run import verify
from services.runtime.settings import Settings
from tests.insight.test_verify_topics import published, say, verified
from tests.stand.copies import Copies, database_name


@pytest.fixture
async def tampered(copies: Copies, told: Settings) -> AsyncIterator[Settings]:
    """A copy of its database, to plant a fault in, with the same topics."""
    async with copies.copy(database_name(told)) as settings:
        yield settings.model_copy(update={"topic_prefix": told.topic_prefix})


async def test_verify_has_nothing_against_what_was_delivered(told: Settings) -> None:
    """Steps before and after the code came, the code itself, and a custom coupon that nobody was told of."""
    report = await verify(told, lambda _line: None)
    assert (report.violations, report.unchecked, report.notes) == ([], [], [])
    records = await published(told, COUPON_LIFECYCLE)
    types = [dict(record.headers)["ce_type"] for record in records]
    assert sorted(types) == [b"coupon.cancelled", *[b"coupon.delivered"] * 4, b"coupon.redeemed"]


NTH = """(
    SELECT coupon_id FROM deliveries d JOIN customers USING (customer_no)
    WHERE customer_id = '{}' AND kind = 'issued' ORDER BY d.at, number OFFSET {} LIMIT 1)"""
FIRST, SECOND, THIRD = (NTH.format("anna", nth) for nth in range(3))
OF_BERT = NTH.format("bert", 0)
CUSTOM = "(SELECT id FROM coupons WHERE terms ->> 'type' = 'custom')"

FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a constraint of deliveries that is gone": (
        "DROP INDEX one_delivery_of_a_customer_is_next",
        [("P12", "lacks its constraint one_delivery_of_a_customer_is_next")],
    ),
    "a delivery of somebody else's coupon": (
        f"""
        INSERT INTO customers (partner_id, customer_id, last_at) SELECT id, 'carl', now() FROM partners;
        UPDATE deliveries SET customer_no = (SELECT max(customer_no) FROM customers)
        WHERE coupon_id = {OF_BERT} AND kind = 'issued'
        """,
        [("P12", "is of another customer than its coupon")],
    ),
    "a delivery of what nobody is told of": (
        f"""
        INSERT INTO deliveries (coupon_id, kind, partner_id, customer_no, at, type, status, due_at)
        SELECT id, 'issued', partner_id, customer_no, issued_at, 'custom', 'pending', now() FROM coupons WHERE id = {CUSTOM}
        """,
        [("P12", "is of a coupon that no partner is told of")],
    ),
    "a delivery that gave no code": (
        f"UPDATE coupons SET external_code = NULL, code_from = NULL WHERE id = {FIRST}",
        [("P12", "is delivered, and its coupon shows no code that came of it")],
    ),
    "a code of a delivery that was none": (
        f"UPDATE deliveries SET status = 'dead', delivered_at = NULL WHERE coupon_id = {FIRST}",
        [("P12", "is not delivered, and its coupon shows a code that came of it")],
    ),
    "a code that nobody was asked for": (
        f"""
        DELETE FROM delivery_attempts WHERE coupon_id = {FIRST};
        DELETE FROM deliveries WHERE coupon_id = {FIRST}
        """,
        [("P12", "shows a code of a partner's system, which was not told of it")],
    ),
    "a code that is to come of what is dead": (
        f"""
        UPDATE coupons SET external_code = NULL, code_from = NULL, code_pending = true WHERE id = {THIRD};
        UPDATE deliveries SET status = 'dead', delivered_at = NULL WHERE coupon_id = {THIRD}
        """,
        [("P12", "is over, and its coupon says that the code is to come")],
    ),
    "a final code of what is not over": (
        f"""
        UPDATE coupons SET external_code = NULL, code_from = NULL WHERE id = {THIRD};
        UPDATE deliveries SET status = 'held', delivered_at = NULL WHERE coupon_id = {THIRD}
        """,
        [("P12", "is not over, and its coupon says that the code is final")],
    ),
    "a code that is there and to come": (
        f"""
        ALTER TABLE coupons DROP CONSTRAINT a_code_that_is_to_come_is_not_there;
        UPDATE coupons SET code_pending = true WHERE id = {SECOND}
        """,
        [
            ("P12", "lacks its constraint a_code_that_is_to_come_is_not_there"),
            ("P12", "is over, and its coupon says that the code is to come"),
            ("P12", "shows a code that its partner brought, and says that it is to come"),
        ],
    ),
    "a cancellation that never was": (
        f"""
        INSERT INTO deliveries (coupon_id, kind, partner_id, customer_no, at, type, status, due_at)
        SELECT id, 'cancelled', partner_id, customer_no, issued_at, 'fixed', 'held', now() FROM coupons WHERE id = {FIRST}
        """,
        [("P12", "tells of a cancellation that never was")],
    ),
    "a cancellation of what was not told": (
        f"UPDATE deliveries SET was_sent = false WHERE coupon_id = {OF_BERT} AND kind = 'issued'",
        [("P12", "tells of the cancellation of a coupon that it was not told of")],
    ),
    "an attempt that is gone": (
        f"DELETE FROM delivery_attempts WHERE coupon_id = {OF_BERT} AND kind = 'issued' AND number = 1",
        [("P12", "has 1 attempts, of which the last is number 2")],
    ),
    "an attempt that nobody counted": (
        f"UPDATE deliveries SET attempts = 0, tries = 0 WHERE coupon_id = {FIRST}",
        [("P12", "counts 0 attempts, and 1 are kept")],
    ),
    "an attempt after the last": (
        f"UPDATE delivery_attempts SET status = 200, error = NULL WHERE coupon_id = {OF_BERT} AND kind = 'issued' AND number = 1",
        [("P12", "was attempted again after attempt 1, which delivered it")],
    ),
    "a coupon that came before its turn": (
        f"UPDATE deliveries SET delivered_at = delivered_at + interval '30 s' WHERE coupon_id = {FIRST}",
        [("P12", "was delivered before one that its customer was issued earlier")] * 2,
    ),
    "none: coupons that a clock which went back delivered before it issued them": (
        f"UPDATE deliveries SET delivered_at = at - interval '1 s' WHERE kind = 'issued' AND coupon_id <> {FIRST} AND delivered_at IS NOT NULL",
        [],
    ),
    "none: one that was sent again": (
        f"""
        UPDATE deliveries SET delivered_at = delivered_at + interval '30 s', tries = 0 WHERE coupon_id = {FIRST}
        """,
        [],
    ),
    "none: one that was queued late": (
        f"""
        UPDATE deliveries SET delivered_at = delivered_at + interval '30 s', number = DEFAULT WHERE coupon_id = {FIRST}
        """,
        [],
    ),
    "another code than was told": (
        f"UPDATE coupons SET external_code = 'forged' WHERE id = {SECOND}",
        [("I3", ": code")],
    ),
    "a code that was told before it came": (
        f"UPDATE deliveries SET delivered_at = delivered_at + interval '2 minutes' WHERE coupon_id = {FIRST}",
        [("P12", "was delivered before one")] * 2 + [("I3", ": code")],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_verify_finds_a_fault_of_deliveries(tampered: Settings, fault: str) -> None:
    """Each is found under its invariant, as often as it is there, and nothing else is."""
    statements, expected = FAULTS[fault]
    owner = await connect(tampered, "test", role=None)
    await owner.execute(statements)
    await owner.close()
    found = (await verified(tampered)).violations
    assert [one.invariant for one in found] == sorted(one for one, _ in expected), found
    for invariant, words in expected:
        assert any(one.invariant == invariant and words in one.detail for one in found), words


async def test_verify_finds_codes_that_nobody_gave(told: Settings) -> None:
    """Ours before the partner's came, and its own from then on; beside it ours, and nothing else."""
    before = {one.detail for one in (await verified(told)).violations}
    records = await published(told, COUPON_LIFECYCLE)
    (redeemed,) = (each for each in records if dict(each.headers)["ce_type"] == b"coupon.redeemed")
    given = next(each for each in records if dict(each.headers)["ce_type"] == b"coupon.delivered")
    again = {"couponry_republished": b"true"}
    forged = [
        await say(told, redeemed, again, code="forged"),
        await say(told, redeemed, again, internal_code="forged"),
        await say(told, redeemed, again, external_code="forged"),
        await say(told, given, again, external_code="forged"),
        await say(
            told, given, again, code=json.loads(given.value)["internal_code"], internal_code=None
        ),
    ]
    found = {one.detail for one in (await verified(told)).violations} - before
    assert sorted(found) == sorted(
        line for place in forged for line in found if place in line and line.endswith(": code")
    )
    assert len(found) == len(forged)


async def test_verify_finds_a_false_status_of_a_code(told: Settings) -> None:
    """To come of what was never asked for, or is there already; final at the issue of what was asked for."""
    before = {one.detail for one in (await verified(told)).violations}
    issues = await published(told, COUPON_ISSUED)
    custom = next(each for each in issues if json.loads(each.value)["terms"]["type"] == "custom")
    asked = next(each for each in issues if json.loads(each.value)["code_status"] == "pending")
    redeemed = next(
        each
        for each in await published(told, COUPON_LIFECYCLE)
        if dict(each.headers)["ce_type"] == b"coupon.redeemed"
        and json.loads(each.value)["code_status"] == "final"
    )
    again = {"couponry_republished": b"true"}
    forged = [
        await say(told, custom, again, code_status="pending"),
        await say(told, asked, again, code_status="final"),
        await say(told, redeemed, again, code_status="pending"),
        await say(told, redeemed, again, code_status="perhaps"),
    ]
    found = {one.detail for one in (await verified(told)).violations} - before
    assert sorted(found) == sorted(
        line for place in forged for line in found if place in line and "status of the code" in line
    )
    assert len(found) == len(forged)


async def test_verify_misses_a_code_that_nobody_was_told_of(told: Settings, copies: Copies) -> None:
    """Of a coupon whose code came by another way than its message."""
    async with copies.copy(database_name(told)) as settings:
        settings = settings.model_copy(update={"topic_prefix": told.topic_prefix})
        owner = await connect(settings, "test", role=None)
        await owner.execute(
            f"""
            INSERT INTO deliveries (coupon_id, kind, partner_id, customer_no, at, type, status, due_at, delivered_at)
            SELECT id, 'issued', partner_id, customer_no, issued_at, 'fixed', 'delivered', now(), now()
            FROM coupons WHERE id = {CUSTOM};
            UPDATE coupons SET external_code = 'late', code_from = 'webhook', terms = terms || '{{"type": "fixed", "value": "1"}}'
            WHERE id = {CUSTOM}
            """
        )
        await owner.close()
        found = (await verified(settings)).violations
    said = [one.detail for one in found if one.invariant == "I3"]
    assert any("has no coupon.delivered, neither published nor queued" in one for one in said)
