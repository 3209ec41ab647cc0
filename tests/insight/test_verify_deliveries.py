"""A partner whose own system was told of coupons breaks no invariant, and each fault planted into that is found alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from schemas.topics import COUPON_LIFECYCLE, CUSTOMERS, ORDERS
from services.adapters.kafka import ensure_topics
from services.adapters.postgres.pool import connect
from services.adapters.secrets import secrets_by
from services.domain.coupons.coupon import Step
from services.insight.verify.run import verify
from services.runtime.settings import Settings
from services.webhooks.reading import Named, take
from tests.insight.test_verify_topics import published, say, verified
from tests.stand.busy_program import BusyProgram
from tests.stand.copies import Copies, database_name
from tests.stand.issuing import a_partner
from tests.stand.receiver import Got, answer, own_code, receiving
from tests.stand.telling import a_program
from tests.stand.waiting import eventually
from tests.stand.world import at_work, until_settled
from tests.webhooks.stand import Stand, sending

VISIT = {
    "name": "Visit", "type": "EventBased", "isRepeatable": True, "maxAchievement": -1,
    "trigger": {"eventName": "visit"},
    "rewards": [{"couponReward": {"couponType": "fixed_discount", "discountValue": 5}}],
}  # fmt: skip
WORD = {
    "name": "Call", "type": "EventBased", "isRepeatable": True, "maxAchievement": -1,
    "trigger": {"eventName": "call"},
    "rewards": [{"couponReward": {"couponType": "custom", "group": {"handle": "words"}}}],
}  # fmt: skip


async def make_told(settings: Settings) -> None:
    """Anna's three coupons and Bert's are delivered, his at the second attempt; one is used, his is cancelled, and told so."""
    await ensure_topics(settings)
    connection = await connect(settings, "test")
    shop = BusyProgram(settings, connection, await a_partner(connection))
    await connection.execute("UPDATE partners SET sources = '{/shop}'")
    await a_program(
        connection,
        shop.partner_id,
        campaigns=[VISIT, WORD],
        couponGroups=[{"handle": "words"}],
    )
    stand = Stand(settings=settings, connection=connection, partner_id=shop.partner_id)

    def failing_once(got: Got) -> bytes:
        is_first_of_bert = got.json()["customerId"] == "bert" and receiver.ids.count(got.id) == 1
        return answer(500) if is_first_of_bert else own_code(got)

    async with receiving(failing_once) as receiver, sending(settings):
        await stand.webhook(receiver.url, cancelUrl=receiver.url.replace("/coupons", "/cancel"))
        visits = [shop.did("visit", who) for who in ("anna", "anna", "anna", "bert")]
        await shop.tell(CUSTOMERS, *visits, shop.did("call", "anna"))
        ids = await connection.fetchval(
            "SELECT array_agg(id::text ORDER BY issued_at, id) FROM coupons"
        )
        told = [each for each in ids if await stand.read(each)]
        assert len(told) == 4
        await stand.until(told, "delivered")
        first = await connection.fetchval(
            "SELECT external_code FROM coupons JOIN customers USING (customer_no)"
            " WHERE customer_id = 'anna' AND external_code IS NOT NULL ORDER BY id LIMIT 1"
        )
        await shop.tell(ORDERS, shop.ordered("o-1", "20", "anna", coupon_codes=[first]))
        await shop.use("bert", "fixed", Step.CANCELLED)
        of_bert = await connection.fetchrow(
            "SELECT coupon_id::text, at AS cancelled_at FROM coupon_history WHERE word = 'cancelled'"
        )
        assert of_bert is not None
        named = Named(partner_id=shop.partner_id, **of_bert)
        assert await take(connection, [named], settings, secrets_by(settings), {}) == 1

        async def is_told() -> bool:
            return await stand.status(of_bert["coupon_id"], "cancelled") == "delivered"

        await eventually(is_told, "the cancellation is told")
    async with at_work(settings):
        await until_settled(settings)
    await connection.close()


@pytest.fixture(scope="module")
async def told(copies: Copies) -> AsyncIterator[Settings]:
    """At rest, and nobody is connected to it."""
    async with copies.copy() as settings:
        settings = settings.model_copy(
            update={"webhook_allow_private": True, "webhook_retry_seconds": (0, 0, 0, 0)}
        )
        await make_told(settings)
        yield settings


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
FIRST, SECOND, OF_BERT = NTH.format("anna", 0), NTH.format("anna", 1), NTH.format("bert", 0)
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
    for (_, words), one in zip(sorted(expected), found, strict=True):
        assert words in one.detail


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
