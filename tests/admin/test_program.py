"""`couponry program`: loaded whole or not at all, shown as what loads, every version listed."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from schemas.gameball_v4 import program as sections_of_a_program
from schemas.gameball_v4.campaigns import TYPES
from tests.schemas.gameball_v4.samples import TEXT
from tests.stand.commands import Command, Result

Load = Callable[..., Coroutine[Any, Any, Result]]
SMALL_SHOP = Path(sections_of_a_program.__file__).with_name("small-shop.json")
SETTINGS = '{"partner_id": 1, "settings": {"currency": "EUR"}}'


@pytest.fixture
async def load(couponry: Command, tmp_path: Path) -> Load:
    """Load this text, with one partner there, 1, in Vilnius."""
    await couponry("partners", "add", "One", "--time-zone", "Europe/Vilnius")

    async def run(text: str, *options: str) -> Result:
        file = tmp_path / "program.json"
        file.write_text(text, encoding="utf-8")
        return await couponry("program", "load", file, *options)

    return run


async def shown(couponry: Command, *options: object) -> str:
    result = await couponry("program", "show", "--partner-id", 1, *options)
    assert result.code == 0, result.err
    return result.out


async def test_load_of_show_changes_nothing(load: Load, couponry: Command) -> None:
    """Of a fresh partner, which stays at version 0, and of one with everything."""
    for version, before in ((0, None), (1, TEXT)):
        if before is not None:
            await load(before)
        text = await shown(couponry)
        again = (await load(text, "--json")).json()
        assert again == {"partner_id": 1, "version": version, "changed": [], "dry_run": False}
        assert await shown(couponry) == text


async def test_fresh_program_is_all_defaults(load: Load, couponry: Command) -> None:
    """What nobody has set is shown as what it is by default."""
    assert json.loads(await shown(couponry, "--json")) == {
        "partner_id": 1,
        "settings": {"currency": None, "pointsName": "Points", "tierMethod": "amount_spent", "defaultLanguage": "en"},
        "tiers": [],
        "campaigns": [],
        "referrals": {
            "referralMethod": None, "eventName": None, "eventMetaData": None,
            "customerReward": {"score": 0, "point": 0, "coupon": None, "extraReward": None},
            "friendReward": {"score": 0, "point": 0, "coupon": None}, "extraReward": None,
        },
        "cashback": {"defaultCashbackRule": None, "tierCashbackRules": []},
        "redemption": {
            "isRedemptionActive": True, "pointsExpiryPeriod": None,
            "defaultRule": {"valueOfPoint": 0, "isActive": True}, "rules": [],
        },
        "couponGroups": [],
    }  # fmt: skip


async def test_versions_are_listed_and_shown_as_they_were(load: Load, couponry: Command) -> None:
    """Each with who made it and what it changed; one that is not there is exit 1."""
    await load(SETTINGS)
    await load(SETTINGS.replace("EUR", "USD"))
    listed = (await couponry("program", "versions", "--partner-id", 1, "--json")).json()
    assert [(each["version"], each["actor"], each["changed"]) for each in listed] == [
        (1, "operator", ["settings"]), (2, "operator", ["settings"]),
    ]  # fmt: skip
    assert [
        json.loads(await shown(couponry, "--version", version))["settings"]["currency"]
        for version in (0, 1, 2)
    ] == [None, "EUR", "USD"]
    missing = await couponry("program", "show", "--partner-id", 1, "--version", 3)
    assert (missing.code, missing.out) == (1, "")
    table = await couponry("program", "versions", "--partner-id", 1)
    assert table.out.split()[:4] == ["version", "at", "actor", "changed"]


async def test_dry_run_shows_the_difference_and_changes_nothing(
    load: Load, couponry: Command
) -> None:
    """Places with what they were and become, what is new, what is gone, and what falls back."""
    await load(TEXT)
    text = (
        '{"partner_id": 1, "settings": {"currency": "EUR"}, "campaigns": ['
        '{"id": 23, "name": "Reviews", "type": "EventBased", "isRepeatable": true, "maxAchievement": 3,'
        ' "isActive": true, "visibility": "NotVisible", "trigger": {"eventName": "review", "count": 2,'
        ' "eventMetaData": [{"name": "stars", "operator": "greater_than", "value": "4"}]}, "rewards": [{"walletReward": 250}]},'
        '{"name": "New one", "type": "SignUp", "rewards": [{}]}]}'
    )
    result = await load(text, "--dry-run")
    assert result.code == 0
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    for line in (
        "place was becomes",
        "settings.pointsName Beans Points",
        "campaigns.21 Join us",
        "campaigns.23.rewards.0.walletReward 100 250",
        "campaigns.23.isActive false true",
        "campaigns.23.trigger.eventMetaData.0.value 3 4",
        "changed settings, campaigns",
        "falls back settings.pointsName",
        "version 2",
        "dry run nothing was changed",
    ):
        assert line in lines, (line, lines)
    assert any(line.endswith("New one") for line in lines)
    tried = (await load(text, "--dry-run", "--json")).json()
    assert tried["fell_back"] == [
        "settings.pointsName",
        "settings.tierMethod",
        "settings.defaultLanguage",
    ]
    assert (tried["version"], tried["dry_run"]) == (2, True)
    assert json.loads(await shown(couponry))["settings"]["pointsName"] == "Beans"
    assert len((await couponry("program", "versions", "--partner-id", 1, "--json")).json()) == 1


REFUSED = [
    ("{", "is not JSON"),
    ('{"partner_id": 1, "settings": {"currency": NaN}}', "is not JSON: NaN is no JSON"),
    ("[" * 200_000, "is not JSON"),
    ("[]", "Must be a JSON object: partner_id and sections"),
    ('{"partner_id": 2}', "partner 2 does not exist"),
    ('{"partner_id": "1"}', "partner_id: Must be the id of a partner"),
    ('{"partner_id": 1, "campaigns": [{"name": "a", "type": "SignUp", "rewards": [{}]}, {"name": "b", "type": "SignUp", "rewards": {}}]}',
     "campaigns.1.rewards: Must be a list"),
    ('{"partner_id": 1, "settings": {"colour": "red"}}', "settings.colour: Is not known"),
    ('{"partner_id": 1, "levels": []}', "levels: Is not known"),
    ('{"partner_id": 1, "tiers": null}', "tiers: Must not be null"),
    ('{"partner_id": 1, "coupon": {"url": "https://example.com"}}', "coupon.method: The coupon.method field is required."),
    ('{"partner_id": 1, "tiers": [1, 2, 3, 4, 5, 6, 7]}', "and 2 more"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), REFUSED)
async def test_wrong_file_is_one_line(load: Load, couponry: Command, text: str, says: str) -> None:
    """Exit 2 with the place; nothing is changed."""
    result = await load(text)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert says in result.err
    assert (await couponry("program", "versions", "--partner-id", 1, "--json")).json() == []


async def test_nobodys_program_is_one_line(couponry: Command) -> None:
    """Of a partner that there is not, and of a file that there is not."""
    for command in ("show", "versions"):
        result = await couponry("program", command, "--partner-id", 9)
        assert (result.code, result.out) == (2, "")
        assert "partner 9 does not exist" in result.err
    result = await couponry("program", "load", "/nonexistent.json")
    assert (result.code, "No such file" in result.err) == (2, True)


async def test_small_shop_loads(load: Load, couponry: Command) -> None:
    """The example has tiers, every type of campaign, a referral and cashback, and nothing of it is refused."""
    text = SMALL_SHOP.read_text(encoding="utf-8")
    assert (await load(text, "--json")).json()["changed"] == [
        "settings", "tiers", "campaigns", "referrals", "cashback", "redemption",
    ]  # fmt: skip
    found = json.loads(await shown(couponry))
    assert {campaign["type"] for campaign in found["campaigns"]} == set(TYPES)
    assert (len(found["tiers"]), len(found["campaigns"])) == (3, 10)
