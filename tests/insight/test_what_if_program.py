"""`what-if --program`: without a change all comes out as recorded, under another program as a real run does."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas.gameball_v4.exact_json import write
from schemas.topics import FOLLOW_UPS
from services.adapters.kafka import client_options
from services.domain.coupons.codes import display
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.insight.shop import OTHER_CASHBACK, PROGRAM, Shop, tried
from tests.insight.what_if.test_command import contents
from tests.repair.test_rehearsal_program import Life
from tests.stand.commands import Command
from tests.stand.issuing import a_game, a_partner
from tests.stand.telling import a_program, ordered, refunded, told

CHANGES: dict[str, dict[str, Any]] = {
    "cashback": {"cashback": OTHER_CASHBACK},
    "tiers by orders": {
        "settings": {"currency": "EUR", "tierMethod": "orders_completed"},
        "tiers": [
            {"name": "New", "minProgress": 0, "order": 1},
            {"name": "Known", "minProgress": 2, "order": 2, "benefits": [{"type": "Entry Reward", "walletReward": 77}]},
        ],
        "cashback": OTHER_CASHBACK,
    },
    "no campaigns": {"campaigns": []},
    "referrals by reviews": {
        "referrals": {
            "referralMethod": "CustomerAndFriend", "eventName": "review",
            "customerReward": {"point": 11}, "friendReward": {"point": 7},
        },
    },
    "no referrals": {"referrals": {}},
    "points that end": {"redemption": {"pointsExpiryPeriod": 1}},
}  # fmt: skip


@pytest.fixture
async def shop(
    topics: Settings, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> Shop:
    return Shop(topics, database, pipeline, partner_id)


def ends_of(report: Any, which: str) -> dict[str, tuple[Any, ...]]:
    return {
        each["customer_id"]: tuple(each[name][which] for name in ("points", "tier", "coupons"))
        for each in report["customers"]
    }


async def lived(shop: Shop, seed: int, *, with_codes: bool) -> Life:
    """A life of four customers under the sample program, as it stands in the topics."""
    wheel = await a_game(shop.database, shop.partner_id, game_type="wheel", allow_multiple_active_coupons=True)  # fmt: skip
    life = Life(dice=random.Random(seed), partner_id=shop.partner_id, game_id=wheel)
    polls = [life.joined(), *(life.poll(8) for _ in range(3 if with_codes else 12))]
    await shop.happens([one for poll in polls for one in poll if one.topic != FOLLOW_UPS])
    for _ in range(9 if with_codes else 0):
        life.codes = await shop.codes()
        await shop.happens([one for one in life.poll(8) if one.topic != FOLLOW_UPS])
    return life


@pytest.mark.parametrize("seed", range(3))
async def test_without_a_change_nothing_differs(
    seed: int, shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """Codes that were used, refunds by part, versions in between, points booked by hand: all comes out as recorded."""
    await a_program(shop.database, shop.partner_id, **PROGRAM)
    await lived(shop, seed, with_codes=True)
    await a_program(shop.database, shop.partner_id, cashback=OTHER_CASHBACK)
    await shop.happens([ordered("anna-99", "33.30", partner_id=shop.partner_id)])
    report = await tried(couponry, shop, tmp_path, cashback=OTHER_CASHBACK)
    assert report["customers"] == [], report
    assert (report["changed"], report["reproduced"], report["events_without_record"]) == ([], True, 0)  # fmt: skip
    stored = await shop.ends()
    assert report["totals"]["points"] == {
        "before": sum(end[0] for end in stored.values()),
        "after": sum(end[0] for end in stored.values()),
    }


async def test_use_that_came_back_can_be_used_again(
    shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """Of an order that earned nothing and was refunded: the coupon serves the next one in this world, too."""
    gift = {
        "name": "A look", "type": "EventBased", "trigger": {"eventName": "look"},
        "rewards": [{"couponReward": {"couponType": "percentage_discount", "discountValue": 10}}],
    }  # fmt: skip
    sections = {"settings": {"currency": "EUR"}, "cashback": OTHER_CASHBACK, "campaigns": [gift]}
    await a_program(shop.database, shop.partner_id, **sections)
    of_shop: dict[str, Any] = {"partner_id": shop.partner_id}
    await shop.happens([told("customer.event", name="look", **of_shop)])
    codes = await shop.codes()
    await shop.happens([ordered("o-1", "50", currency="USD", coupon_codes=codes, **of_shop)])
    await shop.happens([refunded("o-1", "45", **of_shop)])
    await shop.happens([ordered("o-2", "50", coupon_codes=codes, **of_shop)])
    assert (await shop.ends())["anna"][0] == 45 * 3
    report = await tried(couponry, shop, tmp_path, cashback=OTHER_CASHBACK)
    assert (report["customers"], report["reproduced"]) == ([], True)


async def test_of_two_coupons_of_one_tier_the_one_that_was_used_is_used(
    shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """What a tier grants comes of one source: terms tell which coupon was which."""

    def percent(value: int) -> dict[str, Any]:
        return {"couponType": "percentage_discount", "discountValue": value}

    benefits = [
        {"type": "Entry Reward", "couponReward": percent(10)},
        {"type": "Lifetime Reward", "couponReward": percent(50)},
    ]
    tiers = [
        {"name": "New", "minProgress": 0, "order": 1},
        {"name": "Known", "minProgress": 20, "order": 2, "benefits": benefits},
    ]
    await a_program(shop.database, shop.partner_id, cashback=OTHER_CASHBACK, tiers=tiers)
    of_shop: dict[str, Any] = {"partner_id": shop.partner_id}
    await shop.happens([ordered("o-1", "20", **of_shop)])
    row = await shop.database.fetchrow(
        "SELECT code, code_prefix FROM coupons WHERE terms ->> 'value' = '50'"
    )
    assert row is not None
    codes = [display(row["code"], row["code_prefix"])]
    await shop.happens([ordered("o-2", "100", coupon_codes=codes, **of_shop)])
    assert (await shop.ends())["anna"][0] == (20 + 50) * 3
    report = await tried(couponry, shop, tmp_path, cashback=OTHER_CASHBACK)
    assert (report["customers"], report["reproduced"]) == ([], True)


@pytest.mark.parametrize("name", CHANGES)
async def test_changed_program_agrees_with_a_real_run(
    name: str, shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """What was recorded is `before`; what another partner comes to, to whom the same happened, is `after`."""
    await a_program(shop.database, shop.partner_id, **PROGRAM)
    life = await lived(shop, 7, with_codes=False)
    report = await tried(couponry, shop, tmp_path, **CHANGES[name])
    assert set(report["changed"]) == CHANGES[name].keys()

    other = Shop(shop.settings, shop.database, shop.pipeline, await a_partner(shop.database))  # fmt: skip
    await a_program(shop.database, other.partner_id, **{**PROGRAM, **CHANGES[name]})
    wheel = await a_game(shop.database, other.partner_id, game_type="wheel", allow_multiple_active_coupons=True)  # fmt: skip
    everything = [one for poll in life.polls for one in poll if one.topic != FOLLOW_UPS]
    await other.happens([moved(one, other.partner_id, wheel) for one in everything])
    before, after = await shop.ends(), await other.ends()
    differ = {who for who in before if before[who] != after[who]}
    assert ends_of(report, "before") == {who: before[who] for who in differ}
    assert ends_of(report, "after") == {who: after[who] for who in differ}
    assert report["totals"]["differing"] == len(differ)
    assert report["totals"]["points"]["after"] == sum(end[0] for end in after.values())
    if name != "points that end":
        assert differ


def moved(record: ConsumerRecord, partner_id: int, game_id: int) -> ConsumerRecord:
    """The same, of another partner and another event."""
    assert record.value is not None
    data = json.loads(record.value)
    data["partner_id"] = partner_id
    if "game_id" in data:
        data["game_id"] = game_id
    headers = dict(record.headers) | {"ce_source": b"/other"}
    return ConsumerRecord(
        **{
            **{name: getattr(record, name) for name in record.__dataclass_fields__},
            "value": json.dumps(data).encode(),
            "headers": tuple(headers.items()),
        }
    )


async def test_program_is_tried_before_there_is_one(
    shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """A partner at version 0 sees what its orders would have earned; nothing is written."""
    await shop.happens([told("customer.created", partner_id=shop.partner_id)])
    await shop.happens([ordered("o-1", "60.50", partner_id=shop.partner_id)])
    await shop.happens([refunded("o-1", "10.50", partner_id=shop.partner_id)])
    before = await contents(shop)  # type: ignore[arg-type] # it has a database
    report = await tried(couponry, shop, tmp_path, cashback=OTHER_CASHBACK)
    assert ends_of(report, "before") == {"anna": (0, None, 0)}
    assert ends_of(report, "after") == {"anna": (150, None, 0)}
    assert await contents(shop) == before  # type: ignore[arg-type]


async def test_what_the_topics_have_no_more_counts_as_it_did(
    shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """Points that were earned by records which are gone stay in both worlds, and are counted as such."""
    await a_program(shop.database, shop.partner_id, cashback=OTHER_CASHBACK)
    await shop.happens([ordered("o-1", "10", partner_id=shop.partner_id)])
    admin = AIOKafkaAdminClient(**client_options(shop.settings))
    await admin.start()
    place = await shop.database.fetchrow('SELECT topic, partition, "offset" FROM decisions')
    assert place is not None
    partition = TopicPartition(place["topic"], place["partition"])
    await admin.delete_records({partition: RecordsToDelete(before_offset=place["offset"] + 1)})
    await admin.close()
    await shop.happens([ordered("o-2", "5", partner_id=shop.partner_id)])
    report = await tried(couponry, shop, tmp_path, cashback=OTHER_CASHBACK)
    assert (report["customers"], report["events_without_record"]) == ([], 1)
    double = {**OTHER_CASHBACK, "defaultCashbackRule": {"amountRewardThreshold": 1, "rewardWalletFactor": 6, "rewardRankFactor": 1}}  # fmt: skip
    report = await tried(couponry, shop, tmp_path, cashback=double)
    assert ends_of(report, "before") == {"anna": (45, None, 0)}
    assert ends_of(report, "after") == {"anna": (60, None, 0)}


async def test_people_see_the_largest_differences(
    shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """Totals, tiers, and who would gain and lose, by name."""
    await a_program(shop.database, shop.partner_id, **PROGRAM)
    await shop.happens([ordered("o-1", "120", partner_id=shop.partner_id), ordered("o-2", "10", "bert", partner_id=shop.partner_id)])  # fmt: skip
    file = tmp_path / "program.json"
    file.write_text(write({"partner_id": shop.partner_id, "cashback": OTHER_CASHBACK}))
    said = (await couponry("what-if", "--partner-id", shop.partner_id, "--program", file)).out
    words = [line.split() for line in said.splitlines()]
    points = await shop.ends()
    anna, bert = points["anna"][0], points["bert"][0]
    assert [
        "anna",
        f"{anna:,}",
        f"{anna + 240:,}",
        "+240",
        "Roast",
        "the",
        "same",
        "0",
        "0",
    ] in words
    assert ["bert", f"{bert:,}", f"{bert + 20:,}", "+20", "Bean", "the", "same", "0", "0"] in words
    assert said.index("anna") < said.index("bert")
    assert "changed        cashback" in said
    assert "Nothing was written." in said


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--program", "nowhere.json"), "--partner-id"),
        (("--partner-id", "1"), "--game-id"),
        (("--partner-id", "1", "--program", "nowhere.json"), "nowhere.json"),
        (("--partner-id", "1", "--program", "nowhere.json", "--set", "is_active=true"), "--json alone"),
    ],
)  # fmt: skip
async def test_options_that_make_no_sense_are_one_line(
    topics: Settings, couponry: Command, options: Sequence[str], named: str
) -> None:
    """Exit 2, and what is wrong."""
    result = await couponry("what-if", *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert named in result.err


async def test_wrong_file_is_refused_by_its_place(
    shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """A program of somebody else, or with an unknown field: exit 2, one line."""
    for document, named in (
        ({"partner_id": shop.partner_id + 1}, "partner_id"),
        ({"partner_id": shop.partner_id, "cashback": {"colour": 1}}, "cashback.colour"),
    ):
        file = tmp_path / "program.json"
        file.write_text(write(document))
        result = await couponry("what-if", "--partner-id", shop.partner_id, "--program", file)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert named in result.err
