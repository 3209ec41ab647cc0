"""What a program's events say, held against the decisions they tell of: `verify` finds what is forged, lost or repeated."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from schemas.topics import FOLLOW_UPS, FOLLOW_UPS_SOURCE, PROGRAM_EVENTS
from services.adapters.event_keys import event_key
from services.insight.verify.messages import KINDS, Foreign, Message, read_message
from services.runtime.settings import Settings
from tests.insight.test_verify_topics import assert_each_is_found, published, say, verified
from tests.stand.issuing import a_partner
from tests.stand.real_shop import RealShop
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


FORGED = (
    ("tier.changed", "looked", "tier"),
    ("campaign.achieved", "bought", "achieved.99"),
    ("campaign.revoked", "bought", "revoked.99.1"),
    ("referral.rewarded", "bought", "rewarded.friend"),
    ("referral.rewarded", "bought", "rewarded.customer"),
    ("reward.declined", "looked", "reward.1"),
)
"""Types, events that were decided otherwise, and what the names of the messages say beside their keys."""


def _forged(type_: str, event_id: str, rest: str) -> tuple[dict[str, bytes], dict[str, Any], str]:
    """Headers and data of such a message, and what must be said of it at its `place`."""
    cause = {"source": "/shop", "id": event_id, "type": "order.placed"}
    headers = {
        "ce_type": type_.encode(),
        "ce_id": f"{event_key('/shop', event_id)}.{rest}".encode(),
    }
    said = (
        "record {place} tells that something was "
        f"{type_.partition('.')[2]} by event {event_id} of /shop, whose decision says nothing"
    )
    return headers, {"cause": cause}, said


async def test_verify_finds_program_events_that_nobody_sent(topics: Settings, shop: int) -> None:
    """A second time, under a name of nobody's, of another customer, version or instant, of an event that never was."""
    records = {dict(one.headers)["ce_id"]: one for one in await published(topics, PROGRAM_EVENTS)}
    came, stranger = event_key("/shop", "came"), event_key("/shop", "never")
    names = f"{KEY}.1.earned", f"{came}.1.earned", f"{KEY}.tier"
    entry, visit, tier = (records[name.encode()] for name in names)
    # By itself: a repeat is not counted where the same decision is told of otherwise too.
    await say(topics, entry)
    twice = await new_of_i3(topics, set())
    assert_each_is_found(twice, [f"points of entry 1 of the decision {KEY} was published 2 times"])
    forgeries: tuple[tuple[ConsumerRecord, dict[str, bytes], dict[str, Any], str], ...] = (
        (tier, {"ce_id": b"mine"}, {}, "with the ce_id 'mine', which is none of ours"),
        (
            tier, {"ce_id": f"{KEY}.tier.2".encode()}, {},
            f"with the ce_id '{KEY}.tier.2', which is none of ours",
        ),
        (tier, {"couponry_republished": b"true"}, {"customer_id": "bert"}, ": customer"),
        (entry, {"couponry_republished": b"true"}, {"program_version": 9}, ": version of the program"),
        (tier, {"couponry_republished": b"true"}, {"at": "2027"}, ": instant"),
        (
            entry, {"ce_id": f"{stranger}.expired".encode(), "ce_type": b"points.expired"}, {},
            f"points of {stranger} are told to have ended, and did not end so",
        ),
        (
            visit, {"couponry_republished": b"true"}, {"points": 26},
            f"was told otherwise, as points of entry 1 of the decision {came}",
        ),
        (
            entry, {"ce_id": f"{stranger}.1.earned".encode()},
            {"cause": {"source": "/shop", "id": "never", "type": "order.placed"}},
            "tells of event never of /shop, which the database does not know",
        ),
        (entry, {"ce_id": f"{KEY}.9.earned".encode()}, {}, f"points of entry 9 of the decision {KEY} are told"),
        *((tier, *_forged(*one)) for one in FORGED),
    )  # fmt: skip
    said = [
        (await say(topics, record, headers, **data), words)
        for record, headers, data, words in forgeries
    ]
    found = await new_of_i3(topics, set(twice))
    assert_each_is_found(found, [words.format(place=place) for place, words in said])


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


GIFT = {"couponType": "fixed_discount", "discountValue": 5}
NO_MORE = {"couponType": "custom", "group": {"handle": "over"}}


async def missed_of(topics: Settings, database: asyncpg.Connection, *types: str) -> list[str]:
    """What `verify` says once all of these types are lost: nothing before, and then of each."""
    assert await new_of_i3(topics, set()) == []
    rows = await database.fetch(
        "DELETE FROM outbox WHERE ce_type = ANY($1::text[]) RETURNING ce_id", types
    )
    missed = await new_of_i3(topics, set())
    for row in rows:
        said = f"has no message {row['ce_id']} among {PROGRAM_EVENTS}, neither published nor queued"
        assert [said in one for one in missed].count(True) == 1, row
    assert len(missed) == len(rows)
    return sorted(row["ce_id"].partition(".")[2] for row in rows)


@pytest.mark.parametrize(
    ("rewards", "lost"),
    [
        (
            {"friendReward": {"coupon": GIFT}, "customerReward": {"coupon": NO_MORE}},
            ["reward.1", "rewarded.customer", "rewarded.friend"],
        ),
        (
            {"friendReward": {"score": 5}, "customerReward": {"coupon": GIFT}},
            ["rewarded.customer", "rewarded.friend"],
        ),
        (
            {"friendReward": {"coupon": NO_MORE}, "extraReward": {"forEvery": 1, "point": 5}},
            ["reward.1", "rewarded.customer"],
        ),
    ],
)
async def test_verify_misses_what_was_told_of_a_referral(
    topics: Settings,
    database: asyncpg.Connection,
    partner_id: int,
    rewards: dict[str, Any],
    lost: list[str],
) -> None:
    """Whatever the reward: points, score or a coupon alone, and a coupon that could not be granted."""
    shop = RealShop(connection=database, partner_id=partner_id)
    nothing: dict[str, Any] = {"customerReward": {}, "friendReward": {}, "extraReward": None}
    method = {"referralMethod": "CustomerAndFriend", "eventName": "look"}
    await shop.set(
        referrals=method | nothing | rewards,
        couponGroups=[{"handle": "over", "expiryDate": "2020-12-31"}],
    )
    await shop.register("ona")
    await shop.register("jonas", referred_by="ona")
    await shop.did("look", customer="jonas")
    await shop.follow()
    assert await missed_of(topics, database, "referral.rewarded", "reward.declined") == lost


async def test_verify_misses_what_was_told_of_a_campaign(
    topics: Settings, database: asyncpg.Connection, partner_id: int
) -> None:
    """One that gave a coupon alone, or score alone, or a coupon that could not be granted; and each that counts no more."""
    shop = RealShop(connection=database, partner_id=partner_id)
    given = ({"couponReward": GIFT}, {"rankReward": 5}, {"couponReward": NO_MORE})
    campaigns = [
        {
            "name": f"Buy {n}",
            "type": "EventBased",
            "trigger": {"eventName": "place_order"},
            "rewards": [reward],
        }
        for n, reward in enumerate(given)
    ]
    await shop.set(
        campaigns=campaigns, couponGroups=[{"handle": "over", "expiryDate": "2020-12-31"}]
    )
    await shop.order("10", order_id="o-1")
    await shop.refund(None, "o-1")
    lost = await missed_of(
        topics, database, "campaign.achieved", "campaign.revoked", "reward.declined"
    )
    assert len(lost) == 7


async def test_verify_misses_that_points_became_no_coupon(
    topics: Settings, database: asyncpg.Connection, partner_id: int
) -> None:
    """A request that was declined, by a partner's program and where there is none; one that was granted tells of nothing."""
    shop = RealShop(connection=database, partner_id=partner_id)
    rule_id = await shop.rule(pointsToRedeem=10)
    await shop.order("10")
    assert (await shop.redeem(rule_id))["outcome"] == "issued"
    assert (await shop.redeem(rule_id))["reason"] == "insufficient_points"
    without = RealShop(connection=database, partner_id=await a_partner(database))
    await without.happens("points.redeem-requested", rule_id=rule_id, source="/other")
    lost = await missed_of(topics, database, "reward.declined")
    assert lost == ["reward.1", "reward.1"]
