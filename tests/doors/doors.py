"""How each door is opened. Nothing else here imports what decides: a new way in is a change of this module alone.

A door is a way for each kind of act. All take the house, how far its clock is moved, and what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from unittest.mock import patch

import asyncpg
import httpx
from aiokafka import ConsumerRecord
from fastapi import FastAPI

from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection, connect
from services.adapters.redis_locks import CustomerLocks
from services.api.gameball_v4 import redeeming
from services.api.partners import staff_issue
from services.api.partners.staff_answers import NOT_RESERVED_HERE, REFUSALS, RESERVED_HERE
from services.decisions.manner import Manner, Writing
from services.decisions.steps import Refusal, StepRequest, take_step
from services.decisions.transaction import Alongside, Deciding
from services.domain.arrival import Verdict
from services.domain.coupons.coupon import Step
from services.domain.coupons.effects import DeclineReason, RedeemReason
from services.domain.coupons.lifecycle import StepRefusal
from services.domain.letters import DeadLetter, Stage
from services.insight.what_if.run import mismatches, what_if
from services.issuer.letters import letter_for
from services.issuer.parts import Report, read, why_too_early
from services.issuer.pipeline import Pipeline
from services.repair.rehearsal import DryRun
from services.runtime.settings import Settings
from services.sweeper.app import sweep_once
from tests.api.stand import token
from tests.doors.script import RESERVED_FOR

ACTOR: Final = "api"
"""What history says of staff over HTTP whose token names nobody."""
PLAYED, BY_HAND = "/doors", "/by-hand"
"""Sources of events, the partner's id between: of the script's own, and of coupons by hand where they come as events."""
SMALL, TOO_MANY, RACES = 3, 2, 2
PLANNED = CANNOT_BE_STORED, TOO_MANY_DECISIONS = (
    "this decision cannot be stored",
    "too many decisions",
)
"""Why doors refuse a batch."""
ISSUER: Final = "services.issuer.pipeline"
"""Who logs that a batch failed."""


@dataclass(slots=True, kw_only=True)
class House:
    """The servers, and connections to them.

    `halved` counts batches that were refused for their size; `unstorable` are (source, id) of events.
    """

    settings: Settings
    database: asyncpg.Connection
    pool: asyncpg.Pool
    locks: CustomerLocks
    app: FastAPI
    http: httpx.AsyncClient
    halved: int = 0
    unstorable: set[tuple[str, str]] = field(default_factory=set)

    @property
    def writing(self) -> Writing:
        return Writing.by(self.settings)

    def moved(self, offset: timedelta) -> Settings:
        """The same service by another clock."""
        moved = {"allow_test_clock": True, "clock_offset_seconds": offset.total_seconds()}
        return self.settings.model_copy(update=moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStep:
    """A step of staff."""

    partner_id: int
    coupon_id: str
    step: Step
    shop_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedByHand:
    """A coupon by hand. `record` is the completion that asks for the same."""

    partner_id: int
    event_id: str
    customer_id: str
    game_id: int
    record: ConsumerRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPoints:
    """Points into a coupon by a rule, or a coupon back into points. `record` is the event that asks for the same."""

    keys: Mapping[str, str]
    event_id: str
    customer_id: str
    record: ConsumerRecord
    rule_id: int | None = None
    points: int | None = None
    coupon_id: str | None = None


Reports = Sequence[Report]
Events = Callable[[House, timedelta, Sequence[ConsumerRecord]], Awaitable[Reports]]
Steps = Callable[[House, timedelta, AskedStep], Awaitable[Refusal | None]]
ByHand = Callable[[House, timedelta, AskedByHand], Awaitable[DeclineReason | None]]
Points = Callable[[House, timedelta, AskedPoints], Awaitable[str | None]]
"""Answers why nothing came of it."""
Time = Callable[[House, timedelta], Awaitable[None]]


# --- Events


async def one_by_one(house: House, offset: timedelta, records: Sequence[ConsumerRecord]) -> Reports:
    """A batch for each record: what all other ways are compared with."""
    return await _in_batches(house, offset, records, 1)


async def in_small_batches(
    house: House, offset: timedelta, records: Sequence[ConsumerRecord]
) -> Reports:
    """Several batches for the events of an act."""
    return await _in_batches(house, offset, records, SMALL)


async def in_one_batch(
    house: House, offset: timedelta, records: Sequence[ConsumerRecord]
) -> Reports:
    """All at once, and as a poll of several partitions may mix them: the last one first."""
    return await _in_batches(house, offset, records[::-1], len(records))


async def halved(house: House, offset: timedelta, records: Sequence[ConsumerRecord]) -> Reports:
    """All at once, but no transaction may keep more than two decisions: the pipeline halves until it fits."""

    async def refused(
        connection: Connection, verdicts: Sequence[Verdict], letters: Sequence[DeadLetter], new: int
    ) -> None:
        if len(verdicts) > TOO_MANY:
            house.halved += 1
            raise ValueError(TOO_MANY_DECISIONS)
        await _unstorable(house)(connection, verdicts, letters, new)

    return [await _pipeline(house, offset, refused).process(records)]


async def delivered_twice(
    house: House, offset: timedelta, records: Sequence[ConsumerRecord]
) -> Reports:
    """All at once, and all of them again, as after a crash that came before their offsets were kept."""
    for _ in range(2):
        await in_one_batch(house, offset, records)
    return []


async def after_lost_races(
    house: House, offset: timedelta, records: Sequence[ConsumerRecord]
) -> Reports:
    """All at once, and twice in vain: somebody else is said to have been faster, so everything is decided again."""
    lost = 0

    async def refused(
        connection: Connection, verdicts: Sequence[Verdict], letters: Sequence[DeadLetter], new: int
    ) -> None:
        nonlocal lost
        lost += 1
        if lost <= RACES:
            raise LostRace("a race of the test")
        await _unstorable(house)(connection, verdicts, letters, new)

    return [await _pipeline(house, offset, refused).process(records)]


async def in_the_room(
    house: House, offset: timedelta, records: Sequence[ConsumerRecord]
) -> Reports:
    """Each event decided and recorded without a pipeline around it, by a role that may not COPY: as over HTTP."""
    deciding = Deciding(Manner(clock_offset=offset, writing=house.writing, by_copy=False))
    for record in records:
        events, letters, _ = read([record])
        for event in events:
            if event.identity in house.unstorable:
                refusal = asyncpg.CheckViolationError(CANNOT_BE_STORED)
                letters, events = [letter_for([record], event, Stage.STORE, refusal)], []
        async with house.database.transaction():
            decided = await deciding.decide(house.database, events)
            for early in decided.too_early:
                letters.append(letter_for([record], early, Stage.TIME, why_too_early(early)))
            await deciding.record(house.database, decided, letters)
    return []


async def in_two_lanes(
    house: House, offset: timedelta, records: Sequence[ConsumerRecord]
) -> Reports:
    """Two lanes of one issuer side by side, each with customers of its own."""
    pipeline = _pipeline(house, offset)
    customers = sorted({record.key for record in records})
    lanes: list[list[ConsumerRecord]] = [[], []]
    for record in records:
        lanes[customers.index(record.key) % 2].append(record)
    return list(await asyncio.gather(*(pipeline.process(lane) for lane in lanes)))


async def rehearsed(house: House, offset: timedelta, records: Sequence[ConsumerRecord]) -> Reports:
    """What would become of them, in small batches; no way to get anything done."""
    connection = await connect(house.settings, "test", default_transaction_read_only="on")
    dry = DryRun(connection, clock_offset=offset)
    reports = [await dry.process(batch) for batch in _batches(records, SMALL)]
    await connection.close()
    return reports


async def _in_batches(
    house: House, offset: timedelta, records: Sequence[ConsumerRecord], size: int
) -> Reports:
    pipeline = _pipeline(house, offset)
    return [await pipeline.process(batch) for batch in _batches(records, size)]


def _batches(records: Sequence[ConsumerRecord], size: int) -> list[Sequence[ConsumerRecord]]:
    return [records[start : start + size] for start in range(0, len(records), size)]


def _pipeline(house: House, offset: timedelta, alongside: Alongside | None = None) -> Pipeline:
    return Pipeline(
        house.pool,
        house.locks,
        Manner(clock_offset=offset, writing=house.writing),
        alongside=alongside or _unstorable(house),
    )


def _unstorable(house: House) -> Alongside:
    """Refuses the decisions that the script says cannot be stored."""

    async def refused(
        connection: Connection, verdicts: Sequence[Verdict], letters: Sequence[DeadLetter], new: int
    ) -> None:
        for verdict in verdicts:
            if verdict.incoming.identity in house.unstorable:
                raise asyncpg.CheckViolationError(CANNOT_BE_STORED)

    return refused


# --- Staff


async def taken(house: House, offset: timedelta, asked: AskedStep) -> Refusal | None:
    """The step itself, in a transaction of ours."""
    request = StepRequest(
        coupon_id=asked.coupon_id,
        step=asked.step,
        shop_id=asked.shop_id,
        actor=ACTOR,
        reason=asked.reason,
        reserve_for=RESERVED_FOR,
    )
    async with house.database.transaction():
        answer = await take_step(
            house.database, request, Manner(clock_offset=offset, writing=house.writing)
        )
    assert answer is not None
    return answer.refusal


STEP_WORDS: Final = {
    Step.RESERVED: "reserve",
    Step.RELEASED: "release",
    Step.REDEEMED: "redeem",
    Step.REINSTATED: "reinstate",
    Step.CANCELLED: "cancel",
}


async def taken_over_http(house: House, offset: timedelta, asked: AskedStep) -> Refusal | None:
    """The step as staff's app asks for it."""
    path = f"/{asked.coupon_id}/{STEP_WORDS[asked.step]}"
    body = {"shop_id": asked.shop_id, "reason": asked.reason}
    answer = await _ask(house, offset, asked.partner_id, path, body)
    if answer.status_code == 200:
        return None
    said = answer.json()
    told = (answer.status_code, said["error_code"], said["message"])
    if told in (RESERVED_HERE, NOT_RESERVED_HERE):
        return StepRefusal.RESERVED_ELSEWHERE
    return next(refusal for refusal, words in REFUSALS.items() if words == told)


async def completed_by_hand(
    house: House, offset: timedelta, asked: AskedByHand
) -> DeclineReason | None:
    """A coupon by hand as the completion it is to the rules."""
    (report,) = await one_by_one(house, offset, [asked.record])
    for verdict in report.verdicts:
        reason = verdict.decision.reason
        assert reason is None or isinstance(reason, DeclineReason)
        return reason
    return None


async def given_over_http(
    house: House, offset: timedelta, asked: AskedByHand
) -> DeclineReason | None:
    """A coupon by hand as staff's app asks for it."""
    body = {
        "game_id": asked.game_id,
        "customer_id": asked.customer_id,
        "reason": "An apology",
    }
    headers = {"idempotency-key": asked.event_id}
    # The cause has the script's id instead of one of its own, so that it has one name behind every door.
    with patch.object(staff_issue, "uuid4", lambda: asked.event_id):
        answer = await _ask(house, offset, asked.partner_id, "", body, headers)
    if answer.status_code == 201:
        return None
    assert answer.status_code == 409, answer.text
    return DeclineReason(answer.json()["error_code"].lower())


async def asked_by_event(house: House, offset: timedelta, asked: AskedPoints) -> str | None:
    """The event that a customer's app would send."""
    (report,) = await one_by_one(house, offset, [asked.record])
    (verdict,) = report.verdicts
    return verdict.decision.reason


async def asked_over_http(house: House, offset: timedelta, asked: AskedPoints) -> str | None:
    """As a partner's shop asks for it."""
    body, path = {}, f"{asked.coupon_id}/undo"
    if asked.rule_id is not None:
        path = "predefined"
        body = {"customerId": asked.customer_id, "ruleId": asked.rule_id, "points": asked.points}
    _move(house, offset)
    with patch.object(redeeming, "uuid4", lambda: asked.event_id):
        answer = await house.http.post(
            f"/api/v4/integrations/coupons/{path}", json=body, headers=asked.keys
        )
    if answer.status_code == 200:
        return None
    assert answer.status_code in (404, 409), answer.text
    said = answer.json()
    reason: str = said.get("reason") or RedeemReason.RULE_NOT_FOUND
    return reason


async def _ask(
    house: House,
    offset: timedelta,
    partner_id: int,
    path: str,
    body: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    _move(house, offset)
    bearer = {"authorization": f"Bearer {token(house.settings, partner_id)}"}
    return await house.http.post(
        f"/en/partners/staff/coupons{path}", json=body, headers={**bearer, **(headers or {})}
    )


def _move(house: House, offset: timedelta) -> None:
    """The API's clock."""
    house.app.state.api = replace(
        house.app.state.api, manner=replace(house.app.state.api.manner, clock_offset=offset)
    )


# --- Time


async def swept(house: House, offset: timedelta) -> None:
    """All that is due, until nothing is left."""
    while (await sweep_once(house.database, house.moved(offset))).total:
        pass


# --- History, decided again


async def decided_again(house: House, game_ids: Collection[int]) -> tuple[int, list[object]]:
    """How many decisions on these games were decided again by the recorded rules, and those that came out otherwise."""
    read, wrong = 0, list[object]()
    for game_id in game_ids:
        async with house.database.transaction(readonly=True, isolation="repeatable_read"):
            tried = await what_if(house.settings, house.database, game_id, {}, since=None, to=None)
            read += tried.comparison.read
            wrong += await mismatches(house.database, tried.comparison)
    return read, wrong


# --- Doors


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A way for each kind of act. `sweeps` is None where the sweeper comes when the script says so."""

    name: str
    events: Events = one_by_one
    step: Steps = taken
    by_hand: ByHand = completed_by_hand
    points: Points = asked_by_event
    time: Time = swept
    sweeps: bool | None = None


ONE_BY_ONE = Door(name="one by one")
THE_ROOM = Door(name="the room itself", events=in_the_room)
ONE_BATCH = Door(name="one batch", events=in_one_batch)
SMALL_BATCHES = Door(name="small batches", events=in_small_batches)
HALVED = Door(name="halved", events=halved)
TWICE = Door(name="delivered twice", events=delivered_twice)
LOST_RACES = Door(name="after lost races", events=after_lost_races)
TWO_LANES = Door(name="two lanes", events=in_two_lanes)
STAFF = Door(
    name="staff over HTTP",
    events=in_one_batch,
    step=taken_over_http,
    by_hand=given_over_http,
    points=asked_over_http,
)
NEVER_SWEPT = Door(name="never swept", events=in_one_batch, sweeps=False)
ALWAYS_SWEPT = Door(name="always swept", sweeps=True)
