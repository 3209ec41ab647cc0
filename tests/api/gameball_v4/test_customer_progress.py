"""How far customers have come and whom they brought, over HTTP in the v4 dialect: campaigns, friends, the whole balance."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

from schemas.gameball_v4.campaigns import TYPES
from schemas.gameball_v4.exact_json import read
from schemas.topics import FOLLOW_UPS_SOURCE
from services.api.gameball_v4 import campaign_progress
from services.issuer.pipeline import Pipeline
from tests.api.gameball_v4.test_customer_lists import TIERS, on_event
from tests.api.gameball_v4.test_customers import a_customer, ask
from tests.api.stand import Partner
from tests.stand.telling import a_program, ordered, told


async def test_campaign_progress_is_told(partner: Partner, issuing: Pipeline) -> None:
    """Example 38 of the program, step by step, and a campaign at its most, all of it done."""
    repeated = on_event(
        "Thrice", "look", rewards=[{"walletReward": 100}], isRepeatable=True, maxAchievement=3,
        trigger={"eventName": "look", "count": 2},
    )  # fmt: skip
    third = on_event("Third", "peek", trigger={"eventName": "peek", "count": 3})
    await a_program(partner.database, partner.id, campaigns=[repeated, third])
    seen = []
    for number in range(1, 9):
        await issuing.process([told("customer.event", partner_id=partner.id, name="look")])
        if number in {1, 5, 6, 8}:
            row = (await ask(partner, "/customers/anna/reward-campaigns-progress"))[0]
            seen.append((row["achievedCount"], row["completionPercentage"], row["canAchieve"], row["isUnlocked"]))  # fmt: skip
    assert seen == [(0, 50, True, True), (2, 50, True, True), (3, 100, False, True), (3, 100, False, True)]  # fmt: skip
    assert (await ask(partner, "/customers/anna/balance"))["totalPointsBalance"] == 300
    await issuing.process([told("customer.event", partner_id=partner.id, name="peek")])
    row = (await ask(partner, "/customers/anna/reward-campaigns-progress"))[1]
    assert (row["completionPercentage"], row["achievedCount"]) == (Decimal("33.33"), 0)


async def test_campaign_progress_says_who_may(partner: Partner, issuing: Pipeline) -> None:
    """Unlocked by tier and tags alone; achievable if nothing stands against it; each campaign as its GET shows it."""
    campaigns = [
        on_event("Open", "a", translations={"lt": {"name": "Atvira"}}),
        on_event("Off", "a", isActive=False),
        on_event("High", "a", availability={"minTier": 2}),
        on_event("Tag", "a", availability={"tags": ["vip"]}, isActive=False),
        on_event("Over", "a", activation={"endDate": "2020-01-01"}),
        on_event("Begins", "a", activation={"startDate": "2999-01-01"}),
    ]
    await a_program(partner.database, partner.id, tiers=TIERS, campaigns=campaigns)
    await issuing.process([ordered("o-1", "1", partner_id=partner.id)])
    path = "/customers/anna/reward-campaigns-progress"
    rows = await ask(partner, path)
    assert [(row["rewardsCampaignName"], row["isUnlocked"], row["canAchieve"]) for row in rows] == [
        ("Open", True, True), ("Off", True, False), ("High", False, False), ("Tag", False, False), ("Over", True, False),
        ("Begins", True, False),
    ]  # fmt: skip
    for row in rows:
        id_ = row["rewardsCampaignId"]
        shown = await partner.v4("GET", f"/reward-campaigns/{id_}")
        assert row["rewardCampaignConfiguration"] == read(shown.content)
        assert row.keys() == {
            "rewardsCampaignName", "rewardsCampaignId", "isUnlocked", "completionPercentage", "achievedCount", "canAchieve",
            "rewardCampaignConfiguration",
        }  # fmt: skip
    for more in ({"headers": {"lang": "lt"}}, {"params": {"lang": "lt-LT"}}):
        named = (await ask(partner, path, **more))[0]
        assert named["rewardsCampaignName"] == "Atvira"
        assert named["rewardCampaignConfiguration"]["name"] == "Atvira"


async def test_campaign_progress_is_filtered(partner: Partner) -> None:
    """By id and by type, both at once too; of what is not there nothing, and no 404."""
    await a_customer(partner)
    types: dict[str, dict[str, Any]] = {
        "SignUp": {}, "Spin The Wheel": {}, "HighScore": {"trigger": {"minScore": 9}},
        "EventBased": {"trigger": {"eventName": "a"}},
    }  # fmt: skip
    rewards = [{"walletReward": 1}]
    campaigns = [
        {"name": type_, "type": type_, "rewards": rewards, **more} for type_, more in types.items()
    ]
    await a_program(partner.database, partner.id, campaigns=campaigns)
    path = "/customers/anna/reward-campaigns-progress"
    ids = {row["rewardsCampaignName"]: row["rewardsCampaignId"] for row in await ask(partner, path)}
    wheel = ids["Spin The Wheel"]
    for query, names in (
        ("campaignType=game", ["Spin The Wheel", "HighScore"]),
        ("campaignType=reward", ["SignUp", "EventBased"]),
        ("campaignType=Spin%20The%20Wheel", ["Spin The Wheel"]),
        (f"campaignId={wheel}", ["Spin The Wheel"]),
        (f"campaignId={wheel}&campaignType=game", ["Spin The Wheel"]),
        (f"campaignId={wheel}&campaignType=SignUp", []),
        ("campaignId=9007199254740991", []),
    ):
        rows = await ask(partner, f"{path}?{query}")
        assert [row["rewardsCampaignName"] for row in rows] == names, query


def test_campaign_progress_knows_every_type() -> None:
    """A filter for each type of campaigns there is, besides the two kinds of them, which are all together."""
    kinds = campaign_progress.TYPES_OF_KIND
    assert set(get_args(campaign_progress.Kind)) == {"reward", "game", *TYPES} == set(kinds)
    assert kinds["reward"] | kinds["game"] == set(TYPES)
    assert not kinds["reward"] & kinds["game"]


async def test_friends_are_listed(partner: Partner, stranger: Partner, issuing: Pipeline) -> None:
    """Pending until their event has come; counted once the referrer's decision is made; in pages, nobody else's."""
    referrals = {
        "referralMethod": "CustomerOnly", "eventName": "place_order", "customerReward": {"point": 200},
    }  # fmt: skip
    for shop in (partner, stranger):
        await a_program(shop.database, shop.id, referrals=referrals)
        await issuing.process([told("customer.created", partner_id=shop.id)])
        for name in ("bert", "carla", "dora"):
            await issuing.process([told("customer.created", name, partner_id=shop.id, referred_by="anna")])  # fmt: skip
    await issuing.process([ordered("o-1", "1", "carla", partner_id=partner.id)])
    found = await ask(partner, "/customers/anna/referrals")
    joined = await partner.database.fetch(
        "SELECT registered_at FROM profiles WHERE partner_id = $1 AND referred_by = 'anna' ORDER BY customer_no",
        partner.id,
    )
    assert [datetime.fromisoformat(each.pop("joinDate")) for each in found["referrals"]] == [
        row["registered_at"] for row in joined
    ]
    rows = [{"customerId": "bert", "status": "Pending"}, {"customerId": "carla", "status": "Active"},
            {"customerId": "dora", "status": "Pending"}]  # fmt: skip
    assert found == {"referredBy": None, "count": 0, "referrals": rows, "hasMore": False}
    friend = await ask(partner, "/customers/bert/referrals")
    assert friend == {"referredBy": "anna", "count": 0, "referrals": [], "hasMore": False}
    first = await ask(partner, "/customers/anna/referrals?limit=2")
    assert first["hasMore"] is True
    rest = await ask(partner, "/customers/anna/referrals?startAfter=carla&limit=2")
    assert ([each["customerId"] for each in rest["referrals"]], rest["hasMore"]) == (["dora"], False)  # fmt: skip
    key = await partner.database.fetchval(
        "SELECT referral_key FROM profiles WHERE partner_id = $1 AND referral_key IS NOT NULL", partner.id
    )  # fmt: skip
    cause: dict[str, Any] = {"event_id": f"{key}.referral", "source": FOLLOW_UPS_SOURCE}
    await issuing.process([told("referral.completed", partner_id=partner.id, friend_id="carla", **cause)])  # fmt: skip
    assert (await ask(partner, "/customers/anna/referrals"))["count"] == 1
    assert (await ask(stranger, "/customers/anna/referrals"))["count"] == 0


async def test_balance_is_expanded(partner: Partner, issuing: Pipeline) -> None:
    """By what the two other documents show, and by nothing that is not asked for."""
    await a_program(partner.database, partner.id, tiers=TIERS)
    await issuing.process([told("customer.created", partner_id=partner.id)])
    await issuing.process([told("customer.created", "bert", partner_id=partner.id, referred_by="anna")])  # fmt: skip
    base = "/customers/anna"
    plain = await ask(partner, f"{base}/balance")
    more = {"tier": await ask(partner, f"{base}/tier-progress"), "referrals": await ask(partner, f"{base}/referrals")}  # fmt: skip
    assert more["tier"]["current"]["name"] == "Bean"
    assert more["referrals"]["referrals"][0]["customerId"] == "bert"
    for expand in ("tier", "referrals", "tier,referrals", "referrals,tier,tier"):
        wanted = {name: more[name] for name in set(expand.split(","))}
        assert await ask(partner, f"{base}/balance?expand={expand}") == plain | wanted
