"""A partner's keys: what each opens, for whom, and how often one may ask."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from services.api.gameball_v4.keys import REMEMBERED_SECONDS
from services.runtime.settings import Settings
from tests.api.edge.test_second_dialect import both
from tests.api.stand import Partner


async def test_api_key_alone_reads_and_does_not_write(partner: Partner) -> None:
    """The secret key of the same partner is what a change takes."""
    alone = {"headers": {"secretKey": None}}
    assert (await partner.v4("GET", "/settings", **alone)).status_code == 200
    refused = await partner.v4("PUT", "/settings", {"currency": "EUR"}, **alone)
    assert (refused.status_code, refused.json()["code"]) == (401, 1001)
    assert (await partner.v4("PUT", "/settings", {"currency": "EUR"})).status_code == 200


async def test_secret_key_of_another_opens_nothing(partner: Partner, stranger: Partner) -> None:
    """Neither the one's settings nor the other's are changed."""
    mixed = {"headers": {"secretKey": stranger.secret_key}}
    refused = await partner.v4("PUT", "/settings", {"currency": "EUR"}, **mixed)
    assert (refused.status_code, refused.json()["code"]) == (401, 1001)
    for each in (partner, stranger):
        assert (await each.v4("GET", "/settings")).json()["version"] == 0


async def test_keys_see_their_partner_only(partner: Partner, stranger: Partner) -> None:
    """What one sets the other does not see."""
    assert (await partner.v4("PUT", "/settings", {"pointsName": "Beans"})).status_code == 200
    assert (await partner.v4("GET", "/settings")).json()["pointsName"] == "Beans"
    assert (await stranger.v4("GET", "/settings")).json()["pointsName"] == "Points"


async def test_key_that_was_withdrawn_opens_nothing_before_long(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A known key is asked about again once it was remembered long enough."""
    now = 0.0
    monkeypatch.setattr("services.api.gameball_v4.keys.time.monotonic", lambda: now)
    assert (await partner.v4("GET", "/settings")).status_code == 200
    other = b"of nobody" + str(partner.id).encode()
    await partner.database.execute(
        "UPDATE partners SET api_key_hash = $2 WHERE id = $1", partner.id, other
    )
    assert (await partner.v4("GET", "/settings")).status_code == 200
    now = REMEMBERED_SECONDS
    assert (await partner.v4("GET", "/settings")).status_code == 401


async def test_requests_of_a_key_are_counted(
    app: FastAPI, api_settings: Settings, partner: Partner
) -> None:
    """With a limit the answers tell what is left of it, and in the end when to come back, in this dialect."""
    limited = api_settings.model_copy(update={"api_requests_per_minute": 1})
    async with both(app, limited) as http:
        known = replace(partner, http=http)
        answers: list[httpx.Response] = [await known.v4("GET", "/settings") for _ in range(3)]
    last = answers[-1]
    assert (last.status_code, last.json()["code"]) == (429, 2001)
    assert int(last.headers["retry-after"]) >= 1


@pytest.mark.parametrize("version", ["v4", "v4.0", "v4.1"])
async def test_versions_are_one(partner: Partner, version: str) -> None:
    """One resource by three paths; a fourth is nobody's."""
    answer = await partner.v4("PUT", "/settings", {"pointsName": version}, version=version)
    assert answer.status_code == 200
    assert (await partner.v4("GET", "/settings")).json()["pointsName"] == version
    unknown = await partner.v4("GET", "/settings", version="v4.2")
    assert (unknown.status_code, unknown.json().get("success")) == (404, False)
