"""The same events come to the same, however they are divided into batches, repeated, or given to two at once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from schemas.topics import FOLLOW_UPS_SOURCE
from services.adapters.draws import Drawing
from services.decisions.manner import Manner
from services.decisions.transaction import Deciding
from services.domain.coupons.codes import display
from tests.simulation.programs import Draw, change_program
from tests.simulation.shopping import Shopping
from tests.simulation.stage import empty_stage
from tests.stand.real_shop import decide, incoming
from tests.stand.records import again
from tests.stand.snapshots import differences, everything
from tests.stand.telling import a_program, ordered, refunded, told, wallet_of

MANNER = Manner(drawing=Drawing(bytes(32)))
"""One secret: an event's coupons have the same ids and codes each time."""
EVENTS = 60


@dataclass(slots=True, kw_only=True)
class Stage:
    """One partner of a seed, with a program that was drawn and can be had again."""

    owner: asyncpg.Connection
    pool: asyncpg.Pool
    partner_id: int
    seed: int
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def begin(self) -> None:
        """Nothing has happened, and the program is that of the seed, in which every order of euros earns."""
        await empty_stage(self.owner, self.partner_id)
        await change_program(self.pool, self.partner_id, Draw(random.Random(self.seed), self.now))
        rate = {"amountRewardThreshold": 1, "rewardWalletFactor": 2, "rewardRankFactor": 1}
        cashback = {"defaultCashbackRule": rate}
        await a_program(
            self.owner, self.partner_id, settings={"currency": "EUR"}, cashback=cashback
        )

    async def decide(self, batches: Sequence[Sequence[ConsumerRecord]]) -> dict[str, list[object]]:
        """What they have come to, batch by batch."""
        deciding = Deciding(MANNER)
        for batch in batches:
            await decide(self.owner, deciding, batch)
        return await everything(self.owner)


RULES = """
    SELECT (rule ->> 'id')::bigint AS id FROM programs
    CROSS JOIN LATERAL jsonb_array_elements(sections -> 'redemption' -> 'rules') AS rule WHERE partner_id = $1 ORDER BY 1"""
BOUGHT = "SELECT id::text FROM coupons WHERE source_kind = 'redemption' ORDER BY id"


async def history(stage: Stage, chance: random.Random) -> list[ConsumerRecord]:
    """Events drawn one after another, each after the one before was decided: codes are those of coupons there are."""
    shopping, records, relayed = Shopping(chance, stage.partner_id), list[ConsumerRecord](), 0
    deciding = Deciding(MANNER)
    for number in range(EVENTS):
        rows = await stage.owner.fetch("SELECT code, code_prefix FROM coupons ORDER BY id")
        codes = [display(*chance.choice(rows))] if rows and chance.random() < 0.6 else []
        type_, data = shopping.event()
        if type_ == "order.placed":
            data["coupon_codes"] = codes
        elif type_ == "points.redeem-requested":
            ids = await stage.owner.fetch(RULES, stage.partner_id)
            data |= {"rule_id": chance.choice([row["id"] for row in ids] or [1]), "points": 20}
        elif type_ == "points.undo-requested":
            bought = await stage.owner.fetch(BOUGHT)
            data["coupon_id"] = chance.choice([row["id"] for row in bought] or [str(UUID(int=1))])
        rest = {
            name: each for name, each in data.items() if name not in {"partner_id", "customer_id"}
        }
        who: dict[str, Any] = {"partner_id": stage.partner_id, "event_id": f"e-{number}"}
        records.append(told(type_, data["customer_id"], **who, **rest))
        await decide(stage.owner, deciding, [records[-1]])
        for row in await stage.owner.fetch(
            "SELECT * FROM outbox WHERE topic = 'follow-ups' AND id > $1", relayed
        ):
            relayed, data = row["id"], json.loads(row["value"])
            records.append(
                told(
                    row["ce_type"], data["customer_id"], partner_id=stage.partner_id, event_id=row["ce_id"], source=FOLLOW_UPS_SOURCE,
                    friend_id=data["friend_id"],
                )
            )  # fmt: skip
            await decide(stage.owner, deciding, [records[-1]])
    return records


def divided(records: Sequence[ConsumerRecord], chance: random.Random) -> list[list[ConsumerRecord]]:
    """In their order, in batches of any size, with repeats anywhere behind the first.

    What we tell ourselves is told after the commit of what it follows from, and so is a code to who types it.
    """
    batches: list[list[ConsumerRecord]] = [[]]
    for place, record in enumerate(records):
        if chance.random() < 0.3 or record.topic == "follow-ups" or _has_codes(record):
            batches.append([])
        batches[-1].append(record)
        while chance.random() < 0.2:
            repeat = records[chance.randrange(place + 1)]
            batches[-1].append(_elsewhere(repeat))
    return batches


def _has_codes(record: ConsumerRecord) -> bool:
    return bool(json.loads(record.value or b"").get("coupon_codes"))


def _elsewhere(record: ConsumerRecord) -> ConsumerRecord:
    copy = again(record)
    return replace(copy, topic=record.topic, timestamp=record.timestamp + 10_000_000)


@pytest.fixture
async def stage(
    owner: asyncpg.Connection, pool: asyncpg.Pool, partner_id: int, request: pytest.FixtureRequest
) -> Stage:
    """Of the seed that the test is asked with."""
    stage = Stage(owner=owner, pool=pool, partner_id=partner_id, seed=request.param)
    await stage.begin()
    return stage


@pytest.mark.parametrize("stage", range(6), indirect=True)
async def test_any_division_and_any_repeats_come_to_the_same(stage: Stage) -> None:
    """Ledger, wallets, lots, purchases, coupons, profiles, decisions and what is told: each row of them."""
    chance = random.Random(stage.seed)
    records = await history(stage, chance)
    one_by_one = await everything(stage.owner)
    assert len(one_by_one["ledger"]) > 10
    for batches in (divided(records, chance), divided(records, chance)):
        await stage.begin()
        assert differences(await stage.decide(batches), one_by_one) == []


@pytest.mark.parametrize("stage", [11, 12], indirect=True)
async def test_two_issuers_at_the_same_events_come_to_the_same(stage: Stage) -> None:
    """Each batch is given to both at the same moment, as after a rebalance that one of them has not noticed."""
    records = await history(stage, random.Random(stage.seed))
    one_by_one = await everything(stage.owner)
    await stage.begin()
    async with stage.pool.acquire() as one, stage.pool.acquire() as other:
        both = [(one, Deciding(MANNER)), (other, Deciding(MANNER))]
        for batch in divided(records, random.Random(stage.seed)):
            done = await asyncio.gather(*(decide(*each, batch) for each in both))
            assert sum(done) <= len(batch)
    assert differences(await everything(stage.owner), one_by_one) == []


async def test_refunds_come_to_the_same_in_any_order(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """What counts is the largest, before the order comes and after: in points, score, meters and lots."""
    rule = {
        "amountRewardThreshold": 1,
        "rewardWalletFactor": Decimal("0.7"),
        "rewardRankFactor": Decimal("1.5"),
    }
    await a_program(database, partner_id, cashback={"defaultCashbackRule": rule})
    chance, found, deciding = random.Random(1), set(), Deciding(MANNER)
    for number in range(12):
        who = f"customer-{number}"
        refunds = [
            refunded(who, part, who, partner_id=partner_id)
            for part in ("3.33", "20", "6.66", "41.5", "0")
        ]
        records = [*refunds, ordered(who, "99.99", who, partner_id=partner_id)]
        chance.shuffle(records)
        for batch in divided(records, chance):
            await decide(database, deciding, batch)
        wallet = await wallet_of(database, who)
        lots = await database.fetch(
            "SELECT amount, remaining, expired FROM lots JOIN customers USING (customer_no) WHERE customer_id = $1",
            who,
        )
        names = ("balance", "owed", "points_earned", "score", "spent", "orders")
        found.add((*(wallet[name] for name in names), *map(tuple, lots)))
    # 69 points and 149 of score, of which 41.5 in 99.99 go: 28 and 61.
    assert {each[:4] for each in found} == {(41, 0, 41, 88)}
    assert len(found) == 1


async def test_crash_before_the_commit_leaves_nothing(stage_of_orders: Stage) -> None:
    """Everything was written, and is not there; decided again it comes to the same, coupons by the same codes."""
    stage = stage_of_orders
    records = await history(stage, random.Random(stage.seed))
    whole = await everything(stage.owner)
    await stage.begin()
    nothing = await everything(stage.owner)
    deciding = Deciding(MANNER)
    arrivals = [incoming(record) for record in records if record.topic != "follow-ups"]
    async with stage.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await deciding.record(connection, await deciding.decide(connection, arrivals))
        assert len((await everything(connection))["ledger"]) > 5
        await transaction.rollback()
    assert differences(await everything(stage.owner), nothing) == []
    assert differences(await stage.decide(divided(records, random.Random(3))), whole) == []


@pytest.fixture
async def stage_of_orders(owner: asyncpg.Connection, pool: asyncpg.Pool, partner_id: int) -> Stage:
    """Of one seed."""
    stage = Stage(owner=owner, pool=pool, partner_id=partner_id, seed=21)
    await stage.begin()
    return stage
