"""Programs that a process remembers: whoever changes one, the very next request of any process sees it; and no other's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.adapters.postgres.accounts import stored_account
from services.adapters.postgres.partners import add_partner
from services.adapters.postgres.programs import revision_of
from services.api.app import build_app
from services.api.edge import tenant
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool
from services.api.gameball_v4.programs import KnownPrograms
from services.api.partners.keys import Secret
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.api.gameball_v4.test_customers import TIERS, a_customer, ask, book
from tests.api.partners.test_cards import a_card
from tests.api.stand import SECRET, URL, Partner
from tests.stand.commands import CommandOn
from tests.stand.proxy import proxied
from tests.stand.telling import a_program, told

CONFIGURATIONS = "/configurations"
CUSTOMER = "/customers/anna"
CAMPAIGN = {
    "name": "Look", "type": "EventBased", "trigger": {"eventName": "look"}, "rewards": [{"walletReward": 1}],
}  # fmt: skip
TRIPS = {
    f"{CUSTOMER}": 4,
    f"{CUSTOMER}/balance": 4,
    f"{CUSTOMER}/tier-progress": 4,
    f"{CUSTOMER}/reward-campaigns-progress": 4,
    f"{CUSTOMER}/coupons": 5,
    f"{CUSTOMER}/referrals": 5,
    "/transactions?customerId=anna": 5,
    f"{CONFIGURATIONS}/reward-campaigns?customerId=anna": 4,
    f"{CONFIGURATIONS}/cashback?customerId=anna": 4,
    f"{CONFIGURATIONS}/redemption?customerId=anna": 4,
    f"{CONFIGURATIONS}/tiers": 3,
    f"{CONFIGURATIONS}/settings": 3,
    f"{CONFIGURATIONS}/redemption": 4,
}
"""Begin, the account with the program's revision, its lots, the end, and a list's own rows."""


@asynccontextmanager
async def another_process(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that shares nothing but the database."""
    async with AsyncExitStack() as stack:
        pool = await open_tenant_pool(settings)
        stack.callback(pool.terminate)
        limits = Limits(settings)
        stack.push_async_callback(limits.close)
        app = build_app(settings, pool, limits=limits, keys=Secret(SECRET))
        transport = httpx.ASGITransport(app)
        yield await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=URL))


@pytest.fixture
async def elsewhere(partner: Partner, api_settings: Settings) -> AsyncIterator[Partner]:
    """The same partner, who talks to another process."""
    async with another_process(api_settings) as http:
        yield replace(partner, http=http)


async def points_name(partner: Partner) -> str:
    """As the balance has it."""
    name: str = (await ask(partner, f"{CUSTOMER}/balance"))["pointsName"]
    return name


async def test_change_is_seen_by_the_next_request_of_every_process(
    partner: Partner, elsewhere: Partner
) -> None:
    """A section that is shown, one that is a rule; as often as it changes, by each process in turn, and by many at once."""
    await a_customer(partner)
    for number, (writer, reader) in enumerate([(partner, elsewhere), (elsewhere, partner)] * 3):
        name, tier = f"Beans {number}", {"name": f"Tier {number}", "minProgress": 0, "order": 1}
        assert (await writer.v4("PUT", "/settings", {"pointsName": name})).status_code == 200
        many = [points_name(who) for who in (reader, writer) for _ in range(8)]
        assert set(await asyncio.gather(*many)) == {name}
        assert (await writer.v4("PUT", "/tiers", [tier])).status_code == 200
        for who in (reader, writer):
            assert (await ask(who, f"{CUSTOMER}/tier-progress"))["current"]["name"] == tier["name"]
            assert [one["name"] for one in await ask(who, f"{CONFIGURATIONS}/tiers")] == [tier["name"]]  # fmt: skip
            assert (await ask(who, f"{CONFIGURATIONS}/settings"))["pointsName"] == name


async def test_change_by_an_operator_is_seen_by_the_next_request(
    partner: Partner, api_settings: Settings, couponry_on: CommandOn, tmp_path: Path
) -> None:
    """A program that is loaded by command, the zone of a partner: neither goes by way of the API."""
    await a_customer(partner)
    assert await points_name(partner) == "Points"
    file = tmp_path / "program.json"
    file.write_text(json.dumps({"partner_id": partner.id, "settings": {"pointsName": "Leaves"}}))
    assert (await couponry_on(api_settings)("program", "load", file)).code == 0
    assert await points_name(partner) == "Leaves"
    ends = []
    for number, zone in enumerate(("Europe/Vilnius", "America/New_York")):
        await set_zone(partner, zone)
        booked = {"transactionId": f"t-{number}", "points": 1, "expiryAfter": "2999-01-01"}
        assert (await book(partner, **booked))[0] == 200
        listed = await ask(partner, "/transactions?customerId=anna")
        ends.append(listed["transactions"][-1]["expiryDate"])
    assert ends == ["2999-01-01T22:00:00Z", "2999-01-02T05:00:00Z"]
    assert (await ask(partner, f"{CONFIGURATIONS}/settings"))["version"] == 2


async def set_zone(partner: Partner, zone: str) -> None:
    """As who owns the database does."""
    await partner.database.execute("SET ROLE none")
    await partner.database.execute("UPDATE partners SET time_zone = $2 WHERE id = $1", partner.id, zone)  # fmt: skip
    await partner.database.execute("SET ROLE couponry_worker")


@pytest.mark.parametrize("is_set", [False, True])
async def test_change_of_a_card_is_seen_by_the_next_request(
    partner: Partner, elsewhere: Partner, issuing: Pipeline, is_set: bool
) -> None:
    """What points are worth by it; also at version 0, which no change of cards leaves; and that it is gone."""
    if is_set:
        await a_program(partner.database, partner.id, settings={"currency": "EUR"})
    rate = {"points_per_currency_redemption": 10, "points_redemption_enabled": True}
    card_id = await a_card(partner, **rate, currency_amount_redemption=1)
    await issuing.process([told("customer.created", partner_id=partner.id)])
    assert (await book(partner))[0] == 200
    had = (await ask(partner, f"{CUSTOMER}/balance"))["totalPointsBalance"]
    for who, other, money in ((partner, elsewhere, 1), (elsewhere, partner, 5)):
        changed = await who.put(f"/cards/{card_id}", rate | {"currency_amount_redemption": money})
        assert changed.status_code == 200, changed.text
        for reader in (other, who):
            balance = await ask(reader, f"{CUSTOMER}/balance")
            assert balance["totalPointsValue"] == Decimal(had * money) / 10
    assert (await partner.ask("DELETE", f"/cards/{card_id}")).status_code == 200
    for reader in (elsewhere, partner):
        assert (await ask(reader, CUSTOMER))["cardId"] is None


async def test_partners_never_see_each_others_program(
    app: FastAPI, partner: Partner, stranger: Partner
) -> None:
    """In turns and all at once, at the same revision; nor has a session a revision of what it may not see."""
    for who, name in ((partner, "Ours"), (stranger, "Theirs")):
        await a_customer(who)
        await a_program(who.database, who.id, settings={"pointsName": name}, tiers=[{**TIERS[0], "name": name}])  # fmt: skip
    assert await revision_of(partner.database, partner.id) == await revision_of(
        partner.database, stranger.id
    )

    async def names(who: Partner) -> set[str]:
        return {
            await points_name(who),
            (await ask(who, f"{CUSTOMER}/tier-progress"))["current"]["name"],
            (await ask(who, f"{CONFIGURATIONS}/settings"))["pointsName"],
        }

    seen = await asyncio.gather(*(names(who) for who in (partner, stranger) * 8))
    assert seen == [{"Ours"}, {"Theirs"}] * 8
    async with tenant.reading(app.state.api.pool, partner.id) as connection:
        assert await revision_of(connection, stranger.id) is None
        with pytest.raises(LookupError):
            await stored_account(connection, stranger.id, "anna", timedelta())


async def test_programs_are_kept_up_to_a_number(partner: Partner, stranger: Partner) -> None:
    """One is read once for all who see it at that revision; whose was used longest ago goes first."""
    programs, database = KnownPrograms(most=2), partner.database
    third = await another_partner(database)

    async def known(id_: int) -> Any:
        revision = await revision_of(database, id_)
        assert revision is not None
        return await programs.at(database, id_, revision)

    first, second = await known(partner.id), await known(stranger.id)
    assert await known(partner.id) is first
    await known(third)
    assert len(programs) == 2
    assert await known(partner.id) is first
    assert await known(stranger.id) is not second
    assert len(programs) == 2


async def another_partner(database: asyncpg.Connection) -> int:
    """A third one's id."""
    return (await add_partner(database, "Third", "UTC")).id


async def test_read_costs_no_more_round_trips_than_this(
    partner: Partner, api_settings: Settings, issuing: Pipeline
) -> None:
    """Once a process knows the program: it reads neither that nor its revision twice, nor an account in parts."""
    await a_program(partner.database, partner.id, tiers=TIERS, campaigns=[CAMPAIGN])
    await issuing.process([told("customer.created", partner_id=partner.id)])
    await issuing.process([told("customer.event", partner_id=partner.id, name="look")])
    assert api_settings.postgres_dsn
    async with proxied(api_settings.postgres_dsn) as (proxy, dsn):
        through = api_settings.model_copy(update={"postgres_dsn": dsn})
        async with another_process(through) as http:
            who = replace(partner, http=http)
            cost: dict[str, int] = {}
            for _ in range(6):  # the last one counts: by then every statement is prepared
                for path in TRIPS:
                    before = proxy.trips
                    await ask(who, path)
                    cost[path] = proxy.trips - before
    assert cost == TRIPS
