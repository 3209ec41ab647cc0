"""Steps on one coupon, raced against each other on real Postgres: one wins, history stays a path."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import open_pool
from services.decisions.manner import Manner
from services.decisions.steps import StepAnswer, StepRequest, take_step
from services.domain.coupons.coupon import TRANSITIONS, CouponStatus, Step
from services.domain.coupons.lifecycle import StepRefusal
from services.runtime.settings import Settings
from tests.stand.issuing import a_game, a_partner

ROUNDS = 4
AT_ONCE = 50
STAFF_STEPS = (Step.RESERVED, Step.RELEASED, Step.REDEEMED, Step.REINSTATED, Step.CANCELLED)


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(settings, "test", max_size=25, enable_seqscan="off")
    yield pool
    pool.terminate()


@pytest.fixture
async def partner_id(pool: asyncpg.Pool) -> int:
    async with pool.acquire() as connection:
        return await a_partner(connection)


async def a_coupon(pool: asyncpg.Pool, partner_id: int, single: bool = False) -> str:
    async with pool.acquire() as connection:
        game_id = await a_game(connection, partner_id, allow_multiple_active_coupons=not single)
        return str(
            await connection.fetchval(
                """
                WITH owner AS (
                    INSERT INTO customers (partner_id, customer_id, last_at)
                    VALUES ($1, gen_random_uuid()::text, now()) RETURNING customer_no)
                INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, rule_version,
                                     rule_allow_multiple, holds_single_place, code)
                SELECT gen_random_uuid(), gen_random_uuid(), $1, $2, customer_no, now(), 1, $3, $4,
                       lpad(customer_no::text, 16, '0')
                FROM owner RETURNING id
                """,
                partner_id, game_id, not single, single,
            )
        )  # fmt: skip


async def step(
    pool: asyncpg.Pool, coupon_id: str, what: Step, *, shop_id: int = 1, by_copy: bool = True
) -> StepAnswer | None:
    """One try after another until it is no lost race, as the API does."""
    request = StepRequest(
        coupon_id=coupon_id, step=what, shop_id=shop_id, actor="test",
        reserve_for=timedelta(minutes=15),
    )  # fmt: skip
    while True:
        try:
            async with pool.acquire() as connection, connection.transaction():
                return await take_step(connection, request, Manner(by_copy=by_copy))
        except LostRace:
            continue


@pytest.mark.parametrize("by_copy", [True, False])
async def test_fifty_redeems_at_once_have_one_winner(pool, partner_id, by_copy):
    """One redeems; forty-nine hear that it has been redeemed already."""
    for _ in range(ROUNDS):
        coupon_id = await a_coupon(pool, partner_id)
        answers = await asyncio.gather(
            *(step(pool, coupon_id, Step.REDEEMED, by_copy=by_copy) for _ in range(AT_ONCE))
        )

        refusals = [answer.refusal for answer in answers if answer is not None]
        assert refusals.count(None) == 1
        assert refusals.count(StepRefusal.ALREADY_REDEEMED) == AT_ONCE - 1


async def test_any_steps_at_once_leave_a_path(pool, partner_id):
    """Fifty random steps at once: every one taken or refused, each number taken once, each step a transition."""
    chance = random.Random(7)
    for _ in range(ROUNDS):
        coupon_id = await a_coupon(pool, partner_id)
        wanted = [chance.choice(STAFF_STEPS) for _ in range(AT_ONCE)]
        answers = await asyncio.gather(*(step(pool, coupon_id, what) for what in wanted))
        history = await pool.fetch(
            "SELECT step, word, was, status FROM coupon_history WHERE coupon_id = $1 ORDER BY step",
            coupon_id,
        )
        row = await pool.fetchrow("SELECT status, steps FROM coupons WHERE id = $1", coupon_id)

        taken = [answer for answer in answers if answer is not None and answer.refusal is None]
        assert [entry["step"] for entry in history] == list(range(1, len(taken) + 1))
        status = CouponStatus.ACTIVE
        for entry in history:
            assert entry["was"] == status
            status = TRANSITIONS[status, Step(entry["word"])]
        assert (row["status"], row["steps"]) == (status, len(taken))


async def test_reinstatements_at_once_never_make_two_active(pool, partner_id):
    """Two used coupons of one customer in a single-rule game, reinstated at the same moment: one stays used."""
    for _ in range(ROUNDS):
        first = await a_coupon(pool, partner_id, single=True)
        await step(pool, first, Step.REDEEMED)
        second = str(
            await pool.fetchval(
                """
                INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, rule_version,
                                     rule_allow_multiple, holds_single_place, code)
                SELECT gen_random_uuid(), gen_random_uuid(), partner_id, game_id, customer_no, now(), 1, false, true,
                       'A' || substr(code, 2)
                FROM coupons WHERE id = $1 RETURNING id
                """,
                first,
            )
        )
        await step(pool, second, Step.REDEEMED)
        answers = await asyncio.gather(
            *(step(pool, coupon_id, Step.REINSTATED) for coupon_id in (first, second) * 5)
        )

        won = [answer for answer in answers if answer is not None and answer.refusal is None]
        assert len(won) == 1


async def test_transitions_of_the_database_are_those_of_the_rules(pool):
    """One definition of the state machine: the constraint lists what the core allows."""
    constraint = await pool.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conname = 'a_step_is_a_transition_of_the_state_machine'"
    )
    assert set(re.findall(r"'(\w+ \w+ \w+)'", constraint)) == {
        f"{was} {what} {status}" for (was, what), status in TRANSITIONS.items()
    }


async def test_step_on_an_unknown_coupon_is_none(pool):
    """No such coupon is no refusal."""
    assert await step(pool, "00000000-0000-7000-8000-000000000000", Step.REDEEMED) is None
