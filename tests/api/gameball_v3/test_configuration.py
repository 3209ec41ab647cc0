"""The default rule, which is there from the start, and what holds for all of redemption."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.api.gameball_v3.samples import (
    CONFIG,
    DEFAULT,
    RULE,
    added,
    fixed,
    put,
    told,
    trail,
    version,
)
from tests.api.stand import Partner

FRESH = {"isRedemptionActive": True, "pointsExpiryPeriod": None}


async def test_default_rule_is_there_from_the_start(partner: Partner) -> None:
    """By an id that stays when it is changed and when others are made; worth nothing at first, and switched on."""
    rule = await told(partner, DEFAULT)
    assert rule == {"id": rule["id"], "valueOfPoint": 0, "isActive": True}
    assert await told(partner, RULE) == []
    changed = await put(partner, DEFAULT, {"ValueOfPoint": 111.0, "id": 5})
    assert changed == {**rule, "valueOfPoint": 111}
    other = await added(partner, fixed())
    assert other["id"] != rule["id"]
    assert await told(partner, DEFAULT) == changed
    assert (await partner.v4("GET", "/redemption")).json()["defaultRule"] == changed
    assert (await trail(partner))[0] == ("redemption_rule.updated", str(rule["id"]))


@pytest.mark.parametrize("path", [DEFAULT, CONFIG])
async def test_default_rule_is_changed_by_its_id_too(partner: Partner, path: str) -> None:
    """Wherever a rule's id goes, with the fields that it has; but it is not removed."""
    rule = await told(partner, DEFAULT)
    place = f"{path}/{rule['id']}"
    assert await told(partner, f"{RULE}/{rule['id']}") == rule
    sent = {"valueOfPoint": Decimal("0.000001"), "pointsToRedeem": "x"}
    changed = await put(partner, place, sent)
    assert changed == {**rule, "valueOfPoint": Decimal("0.000001")}
    assert await put(partner, place, changed) == await told(partner, DEFAULT) == changed
    refused = await partner.v3("DELETE", place)
    assert (refused.status_code, refused.json()["reason"]) == (409, "default_rule")
    assert await told(partner, DEFAULT) == changed
    assert await version(partner) == 1


async def test_default_rule_of_another_is_not_found(partner: Partner, stranger: Partner) -> None:
    """Its id is a partner's own."""
    rule = await told(partner, DEFAULT)
    for method, path in (("GET", RULE), ("PUT", CONFIG), ("DELETE", DEFAULT)):
        body = {"valueOfPoint": 1} if method == "PUT" else None
        answer = await stranger.v3(method, f"{path}/{rule['id']}", body)
        assert answer.status_code == 404
    assert await told(partner, DEFAULT) == rule


async def test_configuration_is_exactly_two_fields(partner: Partner) -> None:
    """Of a fresh partner their defaults; each is changed alone, and rules are left as they are by whatever is sent."""
    assert await told(partner, CONFIG) == FRESH
    rule = await added(partner, fixed())
    seed = {"IsRedemptionActive": False, "PointsExpiryPeriod": 800, "rules": [], "defaultRule": 1}
    assert await put(partner, CONFIG, seed) == {
        "isRedemptionActive": False,
        "pointsExpiryPeriod": 800,
    }
    off = {**FRESH, "isRedemptionActive": False}
    assert await put(partner, CONFIG, {"pointsExpiryPeriod": None}) == off
    assert await put(partner, CONFIG, {"isRedemptionActive": True}, version="v3.0") == FRESH
    assert await told(partner, RULE) == [rule]
    entries = [("redemption.updated", str(number)) for number in (2, 3, 4)]
    assert (await trail(partner))[1:] == entries


@pytest.mark.parametrize("path", [CONFIG, DEFAULT])
async def test_what_is_sent_back_changes_nothing(partner: Partner, path: str) -> None:
    """Of a fresh partner neither: its program stays at version 0."""
    assert await put(partner, path, await told(partner, path)) == await told(partner, path)
    assert await put(partner, path, {}) == await told(partner, path)
    assert await version(partner) == 0
    assert await trail(partner) == []


@pytest.mark.parametrize(
    ("path", "sent", "place"),
    [
        (CONFIG, {"isRedemptionActive": None}, "isRedemptionActive"),
        (CONFIG, {"isRedemptionActive": 1}, "isRedemptionActive"),
        (CONFIG, {"pointsExpiryPeriod": 0}, "pointsExpiryPeriod"),
        (CONFIG, {"pointsExpiryPeriod": 7301}, "pointsExpiryPeriod"),
        (CONFIG, {"pointsExpiryPeriod": "30"}, "pointsExpiryPeriod"),
        (DEFAULT, {"valueOfPoint": None}, "valueOfPoint"),
        (DEFAULT, {"valueOfPoint": -1}, "valueOfPoint"),
        (DEFAULT, {"valueOfPoint": "1"}, "valueOfPoint"),
        (DEFAULT, {"isActive": None}, "isActive"),
    ],
)
async def test_configuration_that_is_wrong_is_refused(
    partner: Partner, path: str, sent: dict[str, Any], place: str
) -> None:
    """By its place; nothing was changed."""
    answer = await partner.v3("PUT", path, sent)
    assert (answer.status_code, answer.json()["errors"].keys()) == (422, {place})
    assert await version(partner) == 0


async def test_periods_to_both_ends_are_taken(partner: Partner) -> None:
    """The shortest and the longest."""
    for days in (1, 7300):
        assert (await put(partner, CONFIG, {"pointsExpiryPeriod": days}))[
            "pointsExpiryPeriod"
        ] == days
