"""A partner with a program whose events stand in their topics, as `what-if --program` reads them back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer, ConsumerRecord

from schemas.gameball_v4.exact_json import write
from schemas.topics import CUSTOMERS, FOLLOW_UPS, GAME_COMPLETED, ORDERS
from services.adapters.kafka import client_options
from services.adapters.records import bounds_of, partitions_of, read_parts, side_reader
from services.domain.coupons.codes import display
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.repair.test_rehearsal_program import SHOP
from tests.stand.commands import Command
from tests.stand.telling import told

PROGRAM: dict[str, Any] = {name: section for name, section in SHOP.items() if name != "partner_id"}
OTHER_CASHBACK = {
    "defaultCashbackRule": {
        "amountRewardThreshold": 1, "rewardWalletFactor": 3, "rewardRankFactor": 1,
    },
    "tierCashbackRules": [],
}  # fmt: skip


async def stored_in_topics(
    settings: Settings, records: Sequence[ConsumerRecord]
) -> list[ConsumerRecord]:
    """The records as the topics have them now, in the order in which they were sent."""
    ids = [dict(record.headers)["ce_id"] for record in records]
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        for record in records:
            await producer.send_and_wait(
                settings.topic(record.topic), record.value, record.key, headers=list(record.headers)
            )
    found: dict[bytes, ConsumerRecord] = {}
    names = {settings.topic(name) for name in (GAME_COMPLETED, ORDERS, CUSTOMERS)}
    partitions = await partitions_of(settings, names)
    async with side_reader(settings) as consumer:
        bounds = await bounds_of(consumer, partitions)
        starts = {place: each.first for place, each in bounds.items()}
        ends = {place: each.end for place, each in bounds.items()}
        async for some in read_parts(consumer, starts, ends):
            found |= {dict(record.headers)["ce_id"]: record for record in some}
    return [found[each] for each in ids]


class Shop:
    """A partner whose events stand in their topics and are decided, poll by poll."""

    def __init__(
        self, settings: Settings, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
    ) -> None:
        self.settings = settings
        self.database = database
        self.pipeline = pipeline
        self.partner_id = partner_id

    async def happens(self, records: Sequence[ConsumerRecord]) -> None:
        """One after the other, for customers of one poll have no order that a second run would keep; after each what it
        made us tell ourselves."""
        for record in await stored_in_topics(self.settings, records):
            await self.pipeline.process([record])
            await self.follow_up()

    async def follow_up(self) -> None:
        rows = await self.database.fetch(
            "SELECT ce_type, ce_id, value FROM outbox WHERE topic = $1 AND ce_id NOT IN"
            " (SELECT event_id FROM decisions) ORDER BY id",
            FOLLOW_UPS,
        )
        if rows:
            await self.pipeline.process(
                [
                    told(row["ce_type"], event_id=row["ce_id"], source="/couponry/follow-ups", **json.loads(row["value"]))
                    for row in rows
                ]
            )  # fmt: skip

    async def codes(self) -> list[str]:
        rows = await self.database.fetch(
            "SELECT code, code_prefix FROM coupons WHERE terms IS NOT NULL"
        )
        return [display(row["code"], row["code_prefix"]) for row in rows]

    async def ends(self) -> dict[str, tuple[Any, ...]]:
        """Points, tier and coupons by customer."""
        rows = await self.database.fetch(
            "SELECT customer_id, balance, tier_name, (SELECT count(*) FROM coupons c"
            " WHERE c.customer_no = w.customer_no) AS coupons"
            " FROM wallets w JOIN customers USING (customer_no) WHERE w.partner_id = $1",
            self.partner_id,
        )
        return {row["customer_id"]: tuple(row)[1:] for row in rows}


async def tried(couponry: Command, shop: Shop, tmp_path: Path, **sections: Any) -> Any:
    """The JSON of `what-if` with these sections changed."""
    file = tmp_path / "program.json"
    file.write_text(write({"partner_id": shop.partner_id, **sections}))
    result = await couponry("what-if", "--partner-id", shop.partner_id, "--program", file, "--json")
    return result.json()
