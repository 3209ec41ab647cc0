"""`/coupon-groups/{handle}/codes` over HTTP: codes come in once, and what is left of a group is told everywhere."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from schemas.gameball_v4.exact_json import read
from schemas.gameball_v4.pool_codes import MOST_CODES, UNREADABLE
from tests.api.gameball_v4.test_groups import path_of
from tests.api.gameball_v4.test_sections import rule, told
from tests.api.gameball_v4.test_settings import trail
from tests.api.stand import Partner
from tests.stand.pools import OURS, a_coupon, issued, made, pool_of

CODES = path_of("g") + "/codes"


@pytest.fixture
async def group(partner: Partner) -> None:
    """The partner has a group `g`."""
    assert (await partner.v4("PUT", path_of("g"), {})).status_code == 200


async def brought(partner: Partner, *codes: str, handle: str = "g") -> Any:
    """The answer to these codes."""
    answer = await partner.v4("POST", f"{path_of(handle)}/codes", {"codes": list(codes)})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.usefixtures("group")
async def test_codes_come_in_and_duplicates_are_named(partner: Partner, stranger: Partner) -> None:
    """In their order, behind those that are there; a code is somebody's already as the whole service sees it."""
    assert await brought(partner, "b", "a", "b") == {
        "accepted": 2,
        "duplicates": ["b"],
        "remaining": 2,
    }
    await a_coupon(stranger.database, stranger.id, OURS, prefix="HI")
    again = await brought(partner, "c", "hi-0123-4567-89AB-CDEZ", "a")
    assert again == {"accepted": 1, "duplicates": ["hi-0123-4567-89AB-CDEZ", "a"], "remaining": 3}
    assert await pool_of(partner.database, partner.id, "g") == ["b", "a", "c"]
    assert await brought(partner, "a") == {"accepted": 0, "duplicates": ["a"], "remaining": 3}


@pytest.mark.usefixtures("group")
async def test_bare_list_of_codes_is_read(partner: Partner) -> None:
    """And the name by a large letter; what else is sent beside is ignored."""
    for body in (["a"], {"Codes": ["b"], "note": "x"}):
        assert (await partner.v4("POST", CODES, body)).json()["accepted"] == 1
    assert await pool_of(partner.database, partner.id, "g") == ["a", "b"]


@pytest.mark.usefixtures("group")
async def test_nothing_but_duplicates_makes_no_pool(partner: Partner) -> None:
    """A group that was given no code goes on issuing ours."""
    await brought(partner, "a")
    await partner.v4("PUT", path_of("h"), {})
    assert (await brought(partner, "a", handle="h"))["remaining"] is None


REFUSED: list[tuple[Any, set[str]]] = [
    ({}, {"codes"}),
    ({"codes": None}, {"codes"}),
    ({"codes": "a"}, {"codes"}),
    ({"codes": []}, {"codes"}),
    ([], {"codes"}),
    ({"codes": ["a"], "Codes": ["b"]}, {"codes"}),
    ({"codes": ["a"] * (MOST_CODES + 1)}, {"codes"}),
    ({"codes": ["fine", "", "a b", "fine", 7, None, ["a"], "x" * 256]}, {f"codes.{at}" for at in (1, 2, 4, 5, 6, 7)}),
    (["a\t", " a", "a\n", "a\u00a0", "a\u200b", "\ufeffa", "a\u2028", "a\x7f", "a\u3164", "\u00e9\ufe0f"],
     {f"codes.{at}" for at in range(10)}),
    (["a\0"], {"codes.0"}),
    ([""] * 60, {f"codes.{at}" for at in range(50)}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "places"), REFUSED)
@pytest.mark.usefixtures("group")
async def test_codes_that_are_wrong_are_named_by_their_place(
    partner: Partner, body: Any, places: set[str]
) -> None:
    """At most fifty of them, without the code itself; nothing came in."""
    answer = await partner.v4("POST", CODES, body)
    assert (answer.status_code, answer.json()["code"]) == (422, 3003)
    errors = answer.json()["errors"]
    assert errors.keys() == places
    assert places == {"codes"} or {*map(tuple, errors.values())} == {(UNREADABLE,)}
    assert await pool_of(partner.database, partner.id, "g") == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"{", 400, 3016), (b'"a"', 400, 3016), (b'["\\ud800"]', 400, 3016), (b"[" * 3_000_000, 400, 3016),
     (b" " * (4 * 1024 * 1024 + 1), 413, 3000)],
    ids=["malformed", "a text", "half a character", "deep", "too large"],
)  # fmt: skip
@pytest.mark.usefixtures("group")
async def test_body_that_is_no_list_of_codes_is_refused(
    partner: Partner, content: bytes, status: int, code: int
) -> None:
    """What is no JSON, or larger than 4 MiB."""
    answer = await partner.v4("POST", CODES, content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.usefixtures("group")
async def test_as_many_codes_as_there_may_be_come_in(partner: Partner) -> None:
    """As long as they may be, and full of what JSON is written with."""
    codes = [f"{number:05}" + ",:" * 125 for number in range(MOST_CODES)]
    assert await brought(partner, *codes) == {"accepted": MOST_CODES, "duplicates": [], "remaining": MOST_CODES}  # fmt: skip
    assert await pool_of(partner.database, partner.id, "g") == codes
    again = await brought(partner, *codes)
    assert (again["accepted"], again["duplicates"]) == (0, codes)


async def test_codes_need_a_group_and_both_keys(partner: Partner, stranger: Partner) -> None:
    """Of nobody and of a stranger there is none; the API key alone changes nothing."""
    await stranger.v4("PUT", path_of("g"), {})
    answer = await partner.v4("POST", CODES, ["a"])
    assert (answer.status_code, answer.json()["code"]) == (404, 4004)
    assert answer.json()["message"] == "Coupon group not found"
    answer = await stranger.v4("POST", CODES, ["a"], headers={"secretKey": None})
    assert (answer.status_code, answer.json()["code"]) == (401, 1001)


@pytest.mark.parametrize("handle", ["a/b", "codes", "Ąžuolas?"])
async def test_group_of_any_handle_takes_codes(partner: Partner, handle: str) -> None:
    """Whatever is in it, under another version of the path too."""
    await partner.v4("PUT", path_of(handle), {})
    answer = await partner.v4("POST", f"{path_of(handle)}/codes", ["x" * 90_000 + " "], version="v4.1")  # fmt: skip
    assert answer.status_code == 422
    assert (await brought(partner, "a", handle=handle))["remaining"] == 1
    assert await pool_of(partner.database, partner.id, handle) == ["a"]


@pytest.mark.usefixtures("group")
async def test_codes_come_in_once_for_a_key(partner: Partner) -> None:
    """A repeated request is answered as it was, and not with duplicates."""
    answers = [
        await partner.v4("POST", CODES, ["a", "b"], headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert [read(answer.content) for answer in answers] == [
        {"accepted": 2, "duplicates": [], "remaining": 2}
    ] * 2
    assert answers[1].headers["idempotent-replayed"] == "true"


@pytest.mark.usefixtures("group")
async def test_of_many_requests_with_one_code_one_brings_it(partner: Partner) -> None:
    """All others name it, and bring what is theirs."""
    answers = await asyncio.gather(*(brought(partner, "shared", f"own-{n}") for n in range(8)))
    assert sorted(answer["accepted"] for answer in answers) == [1] * 7 + [2]
    assert sorted(answer["duplicates"] for answer in answers) == [[]] + [["shared"]] * 7
    assert len(await pool_of(partner.database, partner.id, "g")) == 9


@pytest.mark.usefixtures("group")
async def test_codes_are_told_to_nobody_else(
    partner: Partner, caplog: pytest.LogCaptureFixture
) -> None:
    """The audit trail has how many, neither it nor the log has which."""
    with caplog.at_level(logging.DEBUG):
        await brought(partner, "secret-1", "secret-2", "secret-1")
    entry = (await trail(partner))[-1]
    assert (entry["action"], entry["subject_id"]) == ("coupon_group.codes_added", "g")
    assert (entry["before"], entry["after"]) == (None, {"accepted": 2, "duplicates": 1})
    said = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name.startswith("services")]  # fmt: skip
    assert said
    assert "secret-" not in "".join(said)


async def test_what_is_left_is_told_wherever_a_group_is(partner: Partner) -> None:
    """By the cap, by the pool, by the lesser of both; null without either. Sent back it is ignored."""
    path = path_of("g")
    assert (await partner.v4("PUT", path, {})).json()["remaining"] is None
    assert (await partner.v4("PUT", path, {"maxTotal": 3})).json()["remaining"] == 3
    await brought(partner, "a", "b", "c", "d")
    assert (await told(partner, path))["remaining"] == 3
    await issued(partner.database, partner.id, "a", "b")
    await a_coupon(partner.database, partner.id, "M" * 16, group="g")
    await partner.v4("PUT", path_of("h"), {})
    listed = await told(partner, "/coupon-groups")
    assert {each["handle"]: each["remaining"] for each in listed} == {"g": 2, "h": None}
    now = await told(partner, path)
    same = await partner.v4("PUT", path, {**now, "remaining": 7})
    assert (same.json(), (await told(partner, "/settings"))["version"]) == (now, 3)
    without_cap = await partner.v4("PUT", path, {"maxTotal": None})
    assert without_cap.json()["remaining"] == 2


async def test_group_with_nothing_left_is_not_available(partner: Partner) -> None:
    """A rule that names it shows it as active, and not as available, once its codes or its cap are used up."""
    groups = [{"handle": "codes"}, {"handle": "cap", "maxTotal": 1}, {"handle": "off", "isActive": False}]  # fmt: skip
    rules = [rule(each, None, id_) for id_, each in enumerate(("codes", "cap", "off", "none"), 1)]
    redemption = {"defaultRule": {"id": 9, "valueOfPoint": "1"}, "rules": rules}
    stored = json.dumps({"highestId": 9, "redemption": redemption, "couponGroups": groups})
    await partner.database.execute(
        "UPDATE programs SET sections = $2, version = 1, revision = revision + 1 WHERE partner_id = $1",
        partner.id, stored,
    )  # fmt: skip

    async def shown(field: str, query: str = "") -> list[str]:
        document = await told(partner, f"/redemption{query}")
        groups = [each["coupon"]["group"] for each in document["redemptionRules"]]
        return [group["handle"] for group in groups if group[field]]

    assert await shown("isAvailable") == ["codes", "cap"]
    await brought(partner, "a", handle="codes")
    assert await shown("isAvailable") == ["codes", "cap"]
    await issued(partner.database, partner.id, "a")
    assert await shown("isAvailable") == ["cap"]
    await a_coupon(partner.database, partner.id, "N" * 16, group="cap")
    assert await shown("isAvailable") == []
    assert await shown("isActive") == ["codes", "cap"]


@pytest.mark.usefixtures("group")
async def test_group_made_anew_has_no_pool(partner: Partner) -> None:
    """Deleted, its codes can be given to another one; codes that we made are nobody's any more either."""
    await brought(partner, "a", "b")
    await made(partner.database, partner.id, "g", "7777-7777-7777-777Z", "777777777777777Z")
    assert (await told(partner, path_of("g")))["remaining"] == 3
    assert (await partner.v4("DELETE", path_of("g"))).status_code == 200
    assert (await partner.v4("PUT", path_of("g"), {})).json()["remaining"] is None
    await partner.v4("PUT", path_of("h"), {})
    assert (await brought(partner, "b", "7777-7777-7777-777Z", handle="h"))["accepted"] == 2
