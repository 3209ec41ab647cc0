"""`/configurations/coupon-groups` over HTTP: a handle makes its group, changes it, and takes it away."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from schemas.gameball_v4.program import MOST_GROUPS
from tests.api.stand import Partner

FRESH: dict[str, Any] = {
    "title": None, "url": None, "iconPath": None, "description": None, "maxPerCustomer": None, "maxTotal": None,
    "startDate": None, "expiryDate": None, "isActive": True, "remaining": None,
}  # fmt: skip


def path_of(handle: str) -> str:
    return f"/coupon-groups/{quote(handle, safe='')}"


@pytest.mark.parametrize("handle", ["summer", "a/b", "Ąžuolas?", "%2F"])
async def test_group_is_made_changed_and_removed(partner: Partner, handle: str) -> None:
    """By its handle, whatever is in it; one of the body is ignored. Each step is in the audit."""
    path = path_of(handle)
    made = await partner.v4("PUT", path, {"title": "Summer", "maxPerPlayer": 2, "handle": "x"})
    said = FRESH | {"handle": handle, "title": "Summer", "maxPerCustomer": 2}
    assert (made.status_code, made.json()) == (200, said)
    changed = await partner.v4("PUT", path, {"IsActive": False, "maxPerCustomer": None})
    said |= {"isActive": False, "maxPerCustomer": None}
    assert changed.json() == (await partner.v4("GET", path)).json() == said
    assert (await partner.v4("GET", "/coupon-groups")).json() == [said]
    removed = await partner.v4("DELETE", path)
    assert (removed.status_code, removed.json()) == (200, True)
    assert (await partner.v4("GET", "/coupon-groups")).json() == []
    actions = [
        (row["action"], row["subject_id"])
        for row in await partner.database.fetch(
            "SELECT action, subject_id FROM audit_log WHERE partner_id = $1 ORDER BY id", partner.id
        )
    ]
    assert actions == [
        (f"coupon_group.{what}", handle) for what in ("created", "updated", "deleted")
    ]


async def test_group_sent_back_changes_nothing(partner: Partner) -> None:
    """No version, no entry; a bare end date stays the second that it was shown as."""
    path = path_of("g")
    made = await partner.v4("PUT", path, {"startDate": "2026-03-01", "expiryDate": "2026-03-31"})
    assert made.json()["expiryDate"] == "2026-03-31T20:59:59Z"
    entries = await partner.database.fetchval(
        "SELECT count(*) FROM audit_log WHERE partner_id = $1", partner.id
    )
    again = await partner.v4("PUT", path, made.json())
    assert (again.status_code, again.json()) == (200, made.json())
    assert (await partner.v4("GET", "/settings")).json()["version"] == 1
    assert entries == await partner.database.fetchval(
        "SELECT count(*) FROM audit_log WHERE partner_id = $1", partner.id
    )


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"url": "x"}, "url"),
        ({"maxTotal": 0}, "maxTotal"),
        ({"isActive": None}, "isActive"),
        ({"maxPerCustomer": 1, "maxPerPlayer": 2}, "maxPerCustomer"),
        ({"startDate": "2026-03-02", "expiryDate": "2026-03-01"}, "expiryDate"),
    ],
)
async def test_group_that_is_wrong_is_refused(
    partner: Partner, sent: dict[str, Any], place: str
) -> None:
    """By its place; none is made."""
    answer = await partner.v4("PUT", path_of("g"), sent)
    assert (answer.status_code, answer.json()["errors"].keys()) == (422, {place})
    assert (await partner.v4("GET", "/coupon-groups")).json() == []


async def test_group_of_another_is_not_found(partner: Partner, stranger: Partner) -> None:
    """Neither shown nor removed; a handle is a partner's own."""
    await stranger.v4("PUT", path_of("g"), {"title": "Theirs"})
    for method in ("GET", "DELETE"):
        answer = await partner.v4(method, path_of("g"))
        assert (answer.status_code, answer.json()["code"]) == (404, 4004)
    await partner.v4("PUT", path_of("g"), {"title": "Ours"})
    assert (await stranger.v4("GET", path_of("g"))).json()["title"] == "Theirs"


async def test_groups_are_so_many(partner: Partner) -> None:
    """The last one goes in, one more is a conflict; those that are there can be changed."""
    await partner.database.execute(
        """
        UPDATE programs SET version = 1, sections = jsonb_build_object('couponGroups', (
            SELECT jsonb_agg(jsonb_build_object('handle', 'g' || n)) FROM generate_series(2, $2::integer) n))
        WHERE partner_id = $1
        """,
        partner.id,
        MOST_GROUPS,
    )
    assert (await partner.v4("PUT", path_of("g1"), {})).status_code == 200
    refused = await partner.v4("PUT", path_of("more"), {})
    assert (refused.status_code, refused.json()["reason"]) == (409, "limit_reached")
    assert (await partner.v4("PUT", path_of("g2"), {"title": "x"})).status_code == 200
