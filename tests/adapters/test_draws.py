"""Coupon ids and codes: they follow from the event and a secret, and look like nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.draws import Drawing
from services.adapters.event_keys import event_key
from services.adapters.postgres.pool import connect, open_pool
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.domain.arrival import Incoming
from services.domain.coupons.codes import ALPHABET, is_valid
from services.domain.coupons.issuing import Draw
from services.domain.events import Cause, CustomerDid, GameCompleted, Position
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.copies import Copies
from tests.stand.database import connected
from tests.stand.issuing import a_game, a_partner
from tests.stand.records import completed

SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))


def arrival(
    event_id: str, source: str = "/games", timestamp_ms: int = 1_800_000_000_000
) -> Incoming:
    return Incoming(
        event=GameCompleted(
            cause=Cause(source=source, id=event_id, type="game.completed"),
            occurred_at=datetime(2026, 3, 1, tzinfo=UTC), partner_id=1, game_id=2, customer_id="anna", won=True,
        ),
        event_key=event_key(source, event_id),
        position=Position(topic="t", partition=0, offset=0),
        timestamp_ms=timestamp_ms,
    )  # fmt: skip


def drawn(secret: bytes, *asked: tuple[Incoming, int], taken: Sequence[Draw] = ()) -> list[Draw]:
    return [draw for mine in Drawing(secret).draws_for(asked, taken) for draw in mine]


EVENTS = st.builds(arrival, st.text(min_size=1), st.text(min_size=1), st.integers(-(2**63), 2**63))


@given(st.lists(st.tuples(EVENTS, st.integers(0, 4)), max_size=8))
def test_draws_follow_from_the_event_alone(asked: list[tuple[Incoming, int]]) -> None:
    """In whatever batch it comes: as many as asked, well-formed, another one with another secret."""
    together = Drawing(SECRET).draws_for(asked)
    assert [len(mine) for mine in together] == [count for _, count in asked]
    for (incoming, count), mine in zip(asked, together, strict=True):
        assert list(mine) == drawn(SECRET, (incoming, count))
        assert list(mine) == drawn(SECRET, (incoming, count + 2))[:count]
        for draw, other in zip(mine, drawn(OTHER, (incoming, count)), strict=True):
            id_ = UUID(draw.coupon_id)
            assert (id_.version, str(id_), is_valid(draw.code)) == (7, draw.coupon_id, True)
            assert id_.int >> 80 == min(max(incoming.timestamp_ms, 0), 2**48 - 1)
            assert draw.code != other.code
            assert draw.coupon_id != other.coupon_id


@given(EVENTS, st.integers(0, 4), st.slices(4))
def test_draws_of_whatever_event_are_those_of_its_key(
    game: Incoming, count: int, part: slice
) -> None:
    """Whether all of them are made at once, as for a game, or each when it is asked for, and however they are."""
    event = game.event
    did = CustomerDid(
        cause=event.cause, occurred_at=event.occurred_at, partner_id=1, customer_id="anna",
        name="visit", metadata={},
    )  # fmt: skip
    other = replace(game, event=did)
    at_once = drawn(SECRET, (game, count))
    (mine,) = Drawing(SECRET).draws_for([(other, count)])
    assert (len(mine), list(mine), list(mine)) == (count, at_once, at_once)
    assert list(mine[part]) == at_once[part]
    assert drawn(SECRET, (other, count), taken=at_once[:1])[1:] == at_once[1:]


def test_codes_are_spread_evenly() -> None:
    """Every symbol at every place, about as often as any other."""
    draws = drawn(SECRET, *((arrival(str(number)), 1) for number in range(20_000)))
    assert len({draw.code for draw in draws}) == len({draw.coupon_id for draw in draws}) == 20_000
    for place in range(16):
        seen = Counter(draw.code[place] for draw in draws)
        assert set(seen) == set(ALPHABET)
        # A thirty-second of them, give or take six standard deviations.
        assert all(abs(number - 625) < 150 for number in seen.values())


@pytest.mark.parametrize("hit", ["id", "code"])
def test_draw_that_is_taken_gives_way_to_the_next(hit: str) -> None:
    """The same next one each time, and the others stay as they were."""
    asked = [(arrival("a"), 1), (arrival("b"), 2)]
    first = drawn(SECRET, *asked)
    fresh = Draw(coupon_id="none", code="none")
    of = first[1]
    taken = [
        replace(fresh, coupon_id=of.coupon_id) if hit == "id" else replace(fresh, code=of.code)
    ]
    second = drawn(SECRET, *asked, taken=taken)
    assert (second[0], second[2]) == (first[0], first[2])
    assert second[1].code != of.code
    assert second[1].coupon_id != of.coupon_id
    assert drawn(SECRET, *asked, taken=taken) == second


@asynccontextmanager
async def pipelines(settings: Settings) -> AsyncIterator[tuple[asyncpg.Connection, Pipeline]]:
    """A worker's connection, and a pipeline that draws by the settings."""
    pool = await open_pool(settings, "test", enable_seqscan="off")
    locks = CustomerLocks(settings)
    async with connected(settings) as database:
        yield database, Pipeline(pool, locks, Manner.by(settings))
    await locks.close()
    pool.terminate()


async def rows(database: asyncpg.Connection) -> list[tuple[object, ...]]:
    """What tells a coupon from others, and its messages."""
    coupons = await database.fetch("SELECT id::text, code FROM coupons ORDER BY 1")
    messages = await database.fetch("SELECT ce_id FROM outbox ORDER BY 1")
    return [tuple(row) for row in (*coupons, *messages)]


def a_day(partner_id: int, game_id: int) -> list[ConsumerRecord]:
    return [
        completed(f"e-{number}", f"c-{number}", partner_id=partner_id, game_id=game_id)
        for number in range(20)
    ]


async def test_lost_decision_is_made_again_alike(copies: Copies) -> None:
    """Two databases that know nothing of each other: the same coupons, codes and message ids, in other batches."""
    found = []
    records: list[ConsumerRecord] = []
    for size in (20, 7):
        async with copies.copy() as settings, pipelines(settings) as (database, pipeline):
            game_id = await a_game(database, await a_partner(database))
            partner_id = await database.fetchval("SELECT max(id) FROM partners")
            records = records or a_day(partner_id, game_id)
            for start in range(0, len(records), size):
                await pipeline.process(records[start : start + size])
            found.append(await rows(database))
    assert len(found[0]) == 40
    assert found[0] == found[1]


async def test_collision_is_passed_by(copies: Copies) -> None:
    """A coupon of another event has the code already: the event gets the next one, its neighbours their own."""
    async with copies.copy() as settings, pipelines(settings) as (database, pipeline):
        game_id = await a_game(database, await a_partner(database))
        partner_id = await database.fetchval("SELECT max(id) FROM partners")
        records = a_day(partner_id, game_id)
        await pipeline.process(records[:1])
        (stolen,) = Drawing(settings.drawing_secret).draws_for([(arrival("e-5"), 1)])[0]
        owner = await connect(settings, "test", role=None)
        await owner.execute("UPDATE coupons SET code = $1", stolen.code)
        await owner.close()
        await pipeline.process(records)
        codes = [row["code"] for row in await database.fetch("SELECT code FROM coupons")]
        assert len(codes) == len(set(codes)) == 20
        expected = {
            draw.code
            for mine in Drawing(settings.drawing_secret).draws_for(
                [(arrival(f"e-{number}"), 1) for number in range(1, 20)]
            )
            for draw in mine
        }
        assert len(expected & set(codes)) == 19
