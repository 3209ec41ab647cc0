"""What a program's events say, held against the decisions they tell of: `verify` finds what is forged, lost or repeated."""

from __future__ import annotations

import json
from dataclasses import replace

import asyncpg
import pytest

from schemas.topics import FOLLOW_UPS, FOLLOW_UPS_SOURCE, PROGRAM_EVENTS
from services.adapters.event_keys import event_key
from services.insight.verify.messages import KINDS, Foreign, Message, read_message
from services.runtime.settings import Settings
from tests.insight.test_verify_topics import published, say, verified
from tests.stand.telling import a_program, ordered, told
from tests.stand.world import at_work, send, until_settled

SECTIONS = {
    "cashback": {
        "defaultCashbackRule": {
            "amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1,
        },
        "tierCashbackRules": [],
    },
    "tiers": [
        {"name": "Bronze", "minProgress": 0, "order": 1, "benefits": []},
        {
            "name": "Silver", "minProgress": 20, "order": 2,
            "benefits": [{"type": "Entry Reward", "walletReward": 3000}],
        },
    ],
    "campaigns": [
        {
            "name": "Visit", "type": "EventBased", "trigger": {"eventName": "visit"},
            "rewards": [{
                "walletReward": 5,
                "couponReward": {"couponType": "percentage_discount", "discountValue": 10},
            }],
        }
    ],
}  # fmt: skip
KEY = event_key("/shop", "bought")


@pytest.fixture
async def shop(topics: Settings, database: asyncpg.Connection, partner_id: int) -> int:
    """An order that reaches a tier, and a visit that achieves a campaign with a coupon; all of it is published."""
    await a_program(database, partner_id, **SECTIONS)
    records = [
        ordered("o-1", "25", partner_id=partner_id, event_id="bought"),
        told("customer.event", partner_id=partner_id, event_id="came", name="visit"),
        told("customer.event", partner_id=partner_id, event_id="looked", name="look"),
    ]
    async with at_work(topics):
        for record in records:
            message = ("anna", list(record.headers), record.value or b"")
            await send(topics, [message], record.topic)
            await until_settled(topics)
    return partner_id


async def new_of_i3(settings: Settings, before: set[str]) -> list[str]:
    """What is wrong with messages now, that was not before."""
    found = {one.detail for one in (await verified(settings)).violations if one.invariant == "I3"}
    return sorted(found - before)


async def test_verify_holds_what_a_program_told(topics: Settings, shop: int) -> None:
    """Points, tier, campaign and the coupon that no game issued are all known; each is named by its decision."""
    assert await new_of_i3(topics, set()) == []
    names = [
        dict(record.headers)["ce_id"].decode() for record in await published(topics, PROGRAM_EVENTS)
    ]
    came = event_key("/shop", "came")
    assert sorted(name for name in names if name.startswith(KEY)) == [
        f"{KEY}.1.earned", f"{KEY}.2.earned", f"{KEY}.tier",
    ]  # fmt: skip
    assert f"{came}.1.earned" in names
    assert any(name.startswith(f"{came}.achieved.") for name in names)


async def test_verify_finds_program_events_that_nobody_sent(topics: Settings, shop: int) -> None:
    """A second time, under a name of nobody's, of another customer, version or instant, of an event that never was."""
    records = {dict(one.headers)["ce_id"]: one for one in await published(topics, PROGRAM_EVENTS)}
    entry, tier = records[f"{KEY}.1.earned".encode()], records[f"{KEY}.tier".encode()]
    stranger = event_key("/shop", "never")
    before: set[str] = set()
    for record, headers, data, words in (
        (entry, {}, {}, f"points of entry 1 of the decision {KEY} was published 2 times"),
        (tier, {"ce_id": b"mine"}, {}, "with the ce_id 'mine', which is none of ours"),
        (tier, {"ce_id": f"{KEY}.tier.2".encode()}, {}, "which is none of ours"),
        (tier, {"couponry_republished": b"true"}, {"customer_id": "bert"}, ": customer"),
        (entry, {"couponry_republished": b"true"}, {"program_version": 9}, ": version of the program"),
        (tier, {"couponry_republished": b"true"}, {"at": "2027"}, ": instant"),
        (
            entry, {"ce_id": f"{stranger}.expired".encode(), "ce_type": b"points.expired"}, {},
            f"points of {stranger} are told to have ended, and did not end so",
        ),
        (
            entry, {"couponry_republished": b"true"}, {"points": 26},
            f"was told otherwise, as points of entry 1 of the decision {KEY}",
        ),
        (
            entry, {"ce_id": f"{stranger}.1.earned".encode()},
            {"cause": {"source": "/shop", "id": "never", "type": "order.placed"}},
            "tells of event never of /shop, which the database does not know",
        ),
    ):  # fmt: skip
        await say(topics, record, headers, **data)
        (new,) = await new_of_i3(topics, before)
        assert words in new
        before.add(new)


async def test_verify_leaves_forged_follow_ups_to_their_dead_letters(
    topics: Settings, shop: int, database: asyncpg.Connection
) -> None:
    """Others may write to the topic on which we tell ourselves something: what is not ours is a dead letter, and no fault."""
    forged = [
        told("referral.completed", partner_id=shop, event_id=name, friend_id="bert", source=FOLLOW_UPS_SOURCE)
        for name in (f"{KEY}.referral", "mine")
    ]  # fmt: skip
    async with at_work(topics):
        messages = [("anna", list(record.headers), record.value or b"") for record in forged]
        await send(topics, messages, FOLLOW_UPS)
        await until_settled(topics)
    assert await database.fetchval("SELECT count(*) FROM dead_letters") == 2
    assert (await verified(topics)).violations == []


@pytest.mark.parametrize(
    ("type_", "rest", "name"),
    [
        ("points.earned", "1.earned", (1, "earned")),
        ("points.expired", "expired", (-1, "expired")),
        ("points.expiring", "expiring.1777627800", (-1777627800, "expiring")),
        ("tier.changed", "tier", (0, "changed")),
        ("campaign.achieved", "achieved.6", (6, "achieved")),
        ("campaign.revoked", "revoked.6.2", (6, "revoked")),
        ("referral.rewarded", "rewarded.customer", (-1, "rewarded")),
        ("referral.rewarded", "rewarded.friend", (-2, "rewarded")),
        ("reward.declined", "reward.1", (-3, "declined")),
        ("reward.declined", "reward.2", (-4, "declined")),
    ],
)
def test_name_of_a_program_event_is_read(type_: str, rest: str, name: tuple[int, str]) -> None:
    """Every one that is told, whosever it is: no two of a decision are alike."""
    (kind,) = (kind for kind in KINDS if type_ in kind.types)
    record = told("order.placed", partner_id=1)
    headers = {"ce_type": type_.encode(), "ce_id": f"{KEY}.{rest}".encode()}
    read = read_message(replace(record, headers=tuple(headers.items())), kind)
    assert isinstance(read, Message)
    assert (str(read.id), read.number, read.word) == (KEY, *name)
    for wrong in (f"{rest}.x", f"x.{rest}", "", "tier.1"):
        headers["ce_id"] = f"{KEY}.{wrong}".encode()
        read = read_message(replace(record, headers=tuple(headers.items())), kind)
        assert isinstance(read, Foreign), wrong


async def test_verify_misses_program_events_that_are_lost(
    topics: Settings, shop: int, owner: asyncpg.Connection
) -> None:
    """An entry that moves points, an achievement and a change of tier that nobody was told of."""
    await owner.execute(
        "INSERT INTO ledger (customer_no, number, partner_id, event_key, at, kind, source_kind, source_id, points, balance,"
        " owed, points_earned, score, spent, orders, referrals)"
        " SELECT customer_no, 99, partner_id, event_key, at, kind, source_kind, source_id, 0, balance, 0, 0, 0, 0, 0, 0"
        " FROM ledger WHERE event_key = $1 AND number = 1",
        KEY,
    )
    assert await new_of_i3(topics, set()) == []  # nothing is told of an entry that moves none
    await owner.execute("UPDATE ledger SET points = 7 WHERE number = 99")
    campaign = {"id": 6, "outcome": "achieved", "reason": None}
    await owner.execute(
        "UPDATE decisions SET program = jsonb_set(program, '{campaigns}', $2::text::jsonb) WHERE event_key = $1",
        KEY, json.dumps([campaign, campaign | {"id": 7, "outcome": "progressed"}]),
    )  # fmt: skip
    await owner.execute(
        "UPDATE decisions SET program = jsonb_set(program, '{tier,after}', 'null') WHERE event_id = 'looked'"
    )
    lacking = f"among {PROGRAM_EVENTS}, neither published nor queued"
    assert await new_of_i3(topics, set()) == [
        f"event bought of /shop has no message {KEY}.3.earned {lacking}",
        f"event bought of /shop has no message {KEY}.achieved.6 {lacking}",
        f"event looked of /shop has no message {event_key('/shop', 'looked')}.tier {lacking}",
    ]
