"""Orders and caps through the whole pipeline on real Postgres: what is stored, and what leaves in which order."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.domain.coupons.codes import display
from services.domain.coupons.effects import DeclineReason
from services.issuer.pipeline import Pipeline
from tests.stand.issuing import a_partner
from tests.stand.till import Till

SINGLE, MULTIPLE, CARD, CAPPED, TOTAL = 1, 2, 3, 4, 5


@pytest.fixture(autouse=True)
async def games(database: asyncpg.Connection, partner_id: int) -> None:
    """One game per kind of rule."""
    for id_, type_, multiple, limit, total in (
        (SINGLE, "wheel", False, None, None),
        (MULTIPLE, "quiz", True, None, None),
        (CARD, "stamps", False, None, None),
        (CAPPED, "memory", True, 3, None),
        (TOTAL, "scratch", True, None, 40),
    ):
        await database.execute(
            "INSERT INTO games (id, partner_id, name, description, game_type, reward_description,"
            " allow_multiple_active_coupons, coupon_validity_days, stamps_required, customer_limit,"
            " total_limit)"
            " VALUES ($1, $2, 'A game', 'A game to test', $3, 'A coffee', $4, 30, 3, $5, $6)",
            id_, partner_id, type_, multiple, limit, total,
        )  # fmt: skip


@pytest.fixture
def till(partner_id: int) -> Till:
    return Till(partner_id)


async def issue(pipeline: Pipeline, database: asyncpg.Connection, record: ConsumerRecord) -> str:
    """A fresh coupon; returns its code as people see it."""
    (verdict,) = (await pipeline.process([record])).verdicts
    coupon_id = verdict.decision.coupon_id
    row = await database.fetchrow("SELECT code, code_prefix FROM coupons WHERE id = $1", coupon_id)
    assert row is not None
    return display(row["code"], row["code_prefix"])


async def outcomes(database: asyncpg.Connection, order_id: str) -> list[tuple[str, str | None]]:
    """Outcome and reason of each code in an order's decisions, oldest first."""
    rows = await database.fetch(
        "SELECT codes FROM decisions WHERE order_id = $1 ORDER BY seq", order_id
    )
    return [(code["outcome"], code["reason"]) for row in rows for code in json.loads(row["codes"])]


async def column(database: asyncpg.Connection, query: str) -> list[Any]:
    return [row[0] for row in await database.fetch(query)]


STATUSES = "SELECT status FROM coupons ORDER BY issued_at, id"


async def test_order_redeems_and_the_single_game_opens_again(pipeline, database, till):
    """Within one poll: blocked, redeemed by an order, issued again; the events leave in that order."""
    code = await issue(pipeline, database, till.completed(SINGLE))
    await pipeline.process(
        [till.completed(SINGLE), till.placed("o-1", code), till.completed(SINGLE)]
    )

    assert await column(database, STATUSES) == ["redeemed", "active"]
    assert await column(database, "SELECT ce_type FROM outbox ORDER BY id") == [
        "coupon.issued", "issuance.declined", "coupon.redeemed", "coupon.issued",
    ]  # fmt: skip
    assert await outcomes(database, "o-1") == [("redeemed", None)]


async def test_order_refusals_are_recorded_and_do_not_stop_the_rest(pipeline, database, till):
    """Foreign, unknown, malformed, used and good codes in one order."""
    mine = await issue(pipeline, database, till.completed(MULTIPLE))
    used = await issue(pipeline, database, till.completed(MULTIPLE))
    foreign = await issue(pipeline, database, till.completed(MULTIPLE, "bert"))
    await pipeline.process([till.placed("o-1", used)])
    await pipeline.process([till.placed("o-2", foreign, "0000-0000-0000-0000", "?", used, mine)])

    assert await outcomes(database, "o-2") == [
        ("refused", "not_owner"), ("refused", "unknown_code"), ("refused", "unknown_code"),
        ("refused", "not_active"), ("redeemed", None),
    ]  # fmt: skip


async def test_order_stamps_fill_the_card_and_earn_a_coupon(pipeline, database, till):
    """Three orders in one poll fill a card of three; a second event of the same order stamps nothing."""
    await pipeline.process([till.placed(order) for order in ("o-1", "o-2", "o-1", "o-3")])

    assert await column(database, STATUSES) == ["active"]
    assert tuple(await database.fetchrow("SELECT card_no, stamps FROM stamp_cards")) == (2, 0)
    assert await database.fetchval("SELECT count(*) FROM order_stamps") == 3


@pytest.mark.parametrize("together", [True, False])
async def test_reversal_restores_what_the_order_took(pipeline, database, till, together, caplog):
    """A cancelled order gives its coupon and its stamp back, in the same poll or in a later one, at the first try."""
    code = await issue(pipeline, database, till.completed(MULTIPLE))
    events = [till.placed("o-1", code), till.cancelled("o-1"), till.cancelled("o-1")]
    for batch in [events] if together else [[event] for event in events]:
        await pipeline.process(batch)

    assert await column(database, STATUSES) == ["active"]
    assert tuple(await database.fetchrow("SELECT card_no, stamps FROM stamp_cards")) == (1, 0)
    history = await database.fetch(
        "SELECT step, word, was, status FROM coupon_history ORDER BY step"
    )
    assert [tuple(row) for row in history] == [
        (1, "redeemed", "active", "redeemed"), (2, "reinstated", "redeemed", "active"),
    ]  # fmt: skip
    assert not caplog.records


@pytest.mark.parametrize("together", [True, False])
async def test_reversal_before_its_order_closes_it(pipeline, database, till, together):
    """The order that comes late redeems and stamps nothing."""
    code = await issue(pipeline, database, till.completed(MULTIPLE))
    events = [till.cancelled("o-1"), till.placed("o-1", code)]
    for batch in [events] if together else [[event] for event in events]:
        await pipeline.process(batch)

    assert await column(database, STATUSES) == ["active"]
    assert await database.fetchval("SELECT count(*) FROM order_stamps") == 0
    assert await outcomes(database, "o-1") == [("refused", "order_already_reversed")]


@pytest.mark.parametrize(
    "polls", [(4,), (1, 3), (2, 2), (3, 1), (1, 1, 2), (2, 1, 1), (1, 1, 1, 1)]
)
async def test_reversed_order_that_is_taken_up_again_stays_reversed(
    pipeline: Pipeline, database: asyncpg.Connection, till: Till, polls: tuple[int, ...]
) -> None:
    """Placed, reversed, placed again, in whatever polls: it redeems and stamps nothing, and a new order id does."""
    code = await issue(pipeline, database, till.completed(MULTIPLE))
    events = [
        till.placed("o-1", code), till.cancelled("o-1"), till.placed("o-1", code), till.placed("o-2", code),
    ]  # fmt: skip
    for count in polls:
        await pipeline.process(events[:count])
        del events[:count]

    assert await outcomes(database, "o-1") == [
        ("redeemed", None), ("reinstated", None), ("refused", "order_already_reversed"),
    ]  # fmt: skip
    assert await outcomes(database, "o-2") == [("redeemed", None)]
    stamps = await database.fetch("SELECT order_id, taken_back FROM order_stamps ORDER BY 1")
    assert [tuple(row) for row in stamps] == [("o-1", True), ("o-2", False)]
    used = await column(database, "SELECT redeemed_order_id FROM coupons")
    assert used == ["o-2"]


async def test_reversal_by_another_customer_does_nothing(pipeline, database, till):
    """Neither before nor after the order does somebody else's reversal touch it."""
    code = await issue(pipeline, database, till.completed(MULTIPLE))
    await pipeline.process([till.cancelled("o-1", "mallory")])
    await pipeline.process([till.placed("o-1", code)])
    await pipeline.process([till.cancelled("o-1", "mallory")])

    assert await column(database, STATUSES) == ["redeemed"]


async def test_reinstatement_never_makes_a_second_active_coupon(pipeline, database, till):
    """A redeemed coupon stays redeemed while its successor is active."""
    code = await issue(pipeline, database, till.completed(SINGLE))
    await pipeline.process(
        [till.placed("o-1", code), till.completed(SINGLE), till.cancelled("o-1")]
    )

    assert await column(database, STATUSES) == ["redeemed", "active"]
    assert (await outcomes(database, "o-1"))[-1] == ("kept", "active_coupon_exists")


async def test_one_order_named_by_two_customers_stamps_once(pool, locks, database, till):
    """Two customers claim the same order at the same moment on two pipelines: one stamp, one card."""
    pipelines = [Pipeline(pool, locks) for _ in range(2)]
    for number in range(20):
        records_ = [till.placed(f"o-{number}", customer_id=name) for name in ("anna", "bert")]
        await asyncio.gather(*(p.process([r]) for p, r in zip(pipelines, records_, strict=True)))

    assert await database.fetchval("SELECT count(*) FROM order_stamps") == 20


async def test_customer_limit_is_exact_under_concurrency(pool, locks, till):
    """Twenty completions at once on twenty pipelines: three coupons, seventeen declines."""
    pipelines = [Pipeline(pool, locks) for _ in range(20)]
    reports = await asyncio.gather(*(p.process([till.completed(CAPPED)]) for p in pipelines))

    reasons = [v.decision.reason for report in reports for v in report.verdicts]
    assert reasons.count(None) == 3
    assert reasons.count(DeclineReason.CUSTOMER_LIMIT_REACHED) == 17


async def test_total_limit_is_exact_under_concurrency(pool, locks, database, till):
    """A hundred customers at once for forty coupons, in batches of all sizes: exactly forty."""
    events = [till.completed(TOTAL, f"c-{number}") for number in range(100)]
    batches = [
        events[start:end] for start, end in ((0, 1), (1, 4), (4, 11), (11, 30), (30, 65), (65, 100))
    ]
    pipelines = [Pipeline(pool, locks) for _ in batches]
    reports = await asyncio.gather(
        *(p.process(batch) for p, batch in zip(pipelines, batches, strict=True))
    )

    reasons = [v.decision.reason for report in reports for v in report.verdicts]
    assert reasons.count(None) == 40
    assert reasons.count(DeclineReason.GAME_LIMIT_REACHED) == 60
    assert await database.fetchval("SELECT sum(remaining) FROM game_quota") == 0


async def test_total_limit_raised_lets_more_through(pipeline, database, till):
    """A new limit counts what has been issued: forty, then one more, then none."""
    await pipeline.process([till.completed(TOTAL, f"c-{number}") for number in range(50)])
    await database.execute("UPDATE games SET total_limit = 41 WHERE id = $1", TOTAL)
    report = await pipeline.process([till.completed(TOTAL, f"d-{number}") for number in range(5)])

    assert [v.decision.outcome for v in report.verdicts].count("issued") == 1


async def test_line_without_a_product_qualifies_through_its_sku(
    database: asyncpg.Connection, pipeline: Pipeline, till: Till, partner_id: int
) -> None:
    """The partner's product of that SKU, and nobody else's; a line that names a product goes by that alone."""
    stranger = await a_partner(database)
    product = "INSERT INTO products (partner_id, name, sku) VALUES ($1, 'Beans', $2) RETURNING id"
    wanted = await database.fetchval(product, partner_id, "BEANS-1")
    other = await database.fetchval(product, partner_id, "TEA-1")
    await database.execute(product, stranger, "FOREIGN")
    await database.execute("UPDATE games SET product_ids = $1 WHERE id = $2", [wanted], CARD)
    line = {"quantity": 1, "unit_price": "-1.50"}
    for number, (sku, product_id, stamps) in enumerate(
        [("BEANS-1", None, True), ("TEA-1", None, False), ("FOREIGN", None, False),
         ("unknown", None, False), ("BEANS-1", other, False), ("TEA-1", wanted, True)]
    ):  # fmt: skip
        lines = [{**line, "sku": sku, "product_id": product_id}]
        await pipeline.process([till.placed(f"o-{number}", lines=lines)])
        found = await database.fetchval(
            "SELECT count(*) FROM order_stamps WHERE order_id = $1", f"o-{number}"
        )
        assert bool(found) is stamps, (sku, product_id)
