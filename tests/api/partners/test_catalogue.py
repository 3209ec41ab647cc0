"""Shops and products over HTTP."""

from __future__ import annotations

import re

import pytest

from tests.api.stand import Partner

KINDS = [("shops", "Shop", {}), ("products", "Product", {"sku": None})]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z").fullmatch


@pytest.mark.parametrize(("path", "word", "defaults"), KINDS)
async def test_entry_is_created_shown_listed_and_changed(
    partner: Partner, path: str, word: str, defaults: dict[str, None]
) -> None:
    """Each step answers in the envelope; text is trimmed; a change leaves what it does not name."""
    created = await partner.post(f"/{path}", {"name": " Žvėryno kavinė ", "id": 7, "extra": 1})
    body = created.json()
    assert (created.status_code, body["code"], body["success"]) == (201, 201, True)
    assert body["message"] == f"{word} created successfully"
    entry = body["data"]
    assert entry == {
        "id": entry["id"], "name": "Žvėryno kavinė", **defaults,
        "created_at": entry["created_at"], "updated_at": entry["updated_at"],
    }  # fmt: skip
    assert INSTANT(entry["created_at"])

    assert (await partner.get(f"/{path}/{entry['id']}")).json() == {
        "success": True, "code": 200, "data": entry,
    }  # fmt: skip
    listed = (await partner.get(f"/{path}")).json()["data"]
    assert entry in listed[path]
    assert listed["pagination"]["total"] == len(listed[path])

    changed = (await partner.put(f"/{path}/{entry['id']}", {"name": "Užupio"})).json()
    assert changed["message"] == f"{word} updated successfully"
    assert changed["data"] == entry | {
        "name": "Užupio", "updated_at": changed["data"]["updated_at"],
    }  # fmt: skip


@pytest.mark.parametrize(("path", "word", "defaults"), KINDS)
@pytest.mark.parametrize("name", ["", "   ", "ž" * 256, None, 7, "a\0b"])
async def test_entry_is_refused(
    partner: Partner, path: str, word: str, defaults: dict[str, None], name: object
) -> None:
    """A name that is none is named in the errors."""
    answer = await partner.post(f"/{path}", {"name": name})
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["name"]


@pytest.mark.parametrize(("path", "word", "defaults"), KINDS)
async def test_entry_of_another_partner_is_unknown(
    partner: Partner, stranger: Partner, path: str, word: str, defaults: dict[str, None]
) -> None:
    """Neither shown nor changed, in the words used for what does not exist."""
    created = (await stranger.post(f"/{path}", {"name": "Mine"})).json()["data"]
    for answer in (
        await partner.get(f"/{path}/{created['id']}"),
        await partner.put(f"/{path}/{created['id']}", {"name": "Yours"}),
        await partner.get(f"/{path}/{2**62}"),
        await partner.get(f"/{path}/{2**70}"),
        await partner.get(f"/{path}/abc"),
        await partner.get(f"/{path}/0"),
    ):
        assert (answer.status_code, answer.json()["message"]) == (404, f"{word} not found")
