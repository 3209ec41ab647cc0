"""`/configurations/settings` over HTTP: defaults, merging, versions, once, and who changed what."""

from __future__ import annotations

import json
from typing import Any

from tests.api.stand import Partner

FRESH = {
    "version": 0,
    "currency": None,
    "pointsName": "Points",
    "tierMethod": "amount_spent",
    "defaultLanguage": "en",
}


async def trail(partner: Partner) -> list[dict[str, Any]]:
    """The partner's audit trail, the oldest first."""
    rows = await partner.database.fetch(
        "SELECT actor, action, subject_id, before, after FROM audit_log WHERE partner_id = $1 ORDER BY id",
        partner.id,
    )
    return [
        {**row, **{name: json.loads(row[name] or "null") for name in ("before", "after")}}
        for row in rows
    ]


async def test_settings_of_a_fresh_partner_are_the_defaults(partner: Partner) -> None:
    """Nothing was ever set: version 0."""
    answer = await partner.v4("GET", "/settings")
    assert (answer.status_code, answer.json()) == (200, FRESH)


async def test_settings_are_merged(partner: Partner) -> None:
    """What is given replaces, null sets null, the rest stays, what nobody knows is ignored."""
    first = await partner.v4(
        "PUT", "/settings", {"Currency": "EUR", "pointsName": " Beans ", "version": 9, "more": 1}
    )
    assert first.json() == {**FRESH, "version": 1, "currency": "EUR", "pointsName": "Beans"}
    second = await partner.v4("PUT", "/settings", {"currency": None, "tierMethod": "score"})
    said = {**FRESH, "version": 2, "pointsName": "Beans", "tierMethod": "score"}
    assert second.json() == said
    assert (await partner.v4("GET", "/settings")).json() == said


async def test_settings_sent_back_change_nothing(partner: Partner) -> None:
    """No version, nothing in the audit trail; a fresh partner's neither."""
    for changes in ({}, {"currency": "EUR"}):
        await partner.v4("PUT", "/settings", changes)
        before = (await partner.v4("GET", "/settings")).json()
        entries = await trail(partner)
        answer = await partner.v4("PUT", "/settings", before)
        assert (answer.status_code, answer.json()) == (200, before)
        assert await trail(partner) == entries


async def test_settings_changed_are_in_the_audit_trail(partner: Partner) -> None:
    """Who, which version it became, and the section before and after."""
    await partner.v4("PUT", "/settings", {"currency": "EUR"})
    (entry,) = await trail(partner)
    assert (entry["actor"], entry["action"], entry["subject_id"]) == ("api", "program.updated", "1")
    assert entry["before"]["settings"]["currency"] is None
    assert entry["after"]["settings"]["currency"] == "EUR"


async def test_settings_are_changed_once(partner: Partner) -> None:
    """The same key gets the same answer, by another path of the same resource too; used otherwise it is a conflict."""
    keyed: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}}
    first = await partner.v4("PUT", "/settings", {"currency": "EUR"}, **keyed)
    assert "idempotent-replayed" not in first.headers
    await partner.v4("PUT", "/settings", {"currency": "USD"})
    keyed = {"headers": {"Idempotency-Key": "k"}}
    again = await partner.v4("PUT", "/settings", {"currency": "EUR"}, version="v4.1", **keyed)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await partner.v4("GET", "/settings")).json()["currency"] == "USD"
    keyed = {"headers": {"Idempotency-Key": "k"}}
    other = await partner.v4("PUT", "/settings", {"currency": "GBP"}, **keyed)
    assert (other.status_code, other.json()["reason"]) == (409, "key_reused")
