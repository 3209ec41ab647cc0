"""`couponry explain` of an event that is not decided yet, because its record waits."""

from __future__ import annotations

from dataclasses import replace

import asyncpg

from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.commands import CommandOn
from tests.stand.issuing import a_game
from tests.stand.records import completed

NOWHERE = "Mars/Olympus"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_explain_says_for_what_an_event_waits(
    settings: Settings,
    database: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
    couponry_on: CommandOn,
) -> None:
    """Asked by id, by place or by customer, beside what is decided; a command that needs the zone says which it lacks."""
    dated = await a_game(database, partner_id, start_date="2020-01-01")
    free = await a_game(database, partner_id)
    await database.execute("UPDATE partners SET time_zone = $1 WHERE id = $2", NOWHERE, partner_id)
    plain = completed("waits", "jonas", partner_id=partner_id, game_id=dated)
    record = replace(plain, headers=(*plain.headers, ("ce_traceparent", TRACE.encode())))
    await pipeline.process(
        [record, completed("free", "jonas", partner_id=partner_id, game_id=free)]
    )
    couponry = couponry_on(settings)
    place = f"{record.topic}:{record.partition}:{record.offset}"
    for asked in (("waits",), (place,)):
        answer = (await couponry("explain", *asked, "--json")).json()
        assert (answer["event_id"], answer["outcome"]) == ("waits", "waiting")
        assert NOWHERE in answer["reason"]
        assert [entry["what"] for entry in answer["timeline"]] == ["arrived", "waits"]
        assert answer["traceparent"] == TRACE
        told = await couponry("explain", *asked)
        assert (told.code, told.err) == (0, "")
        assert "waiting: " in told.out
        assert TRACE in told.out
    customer = ("--customer", "jonas", "--partner-id", partner_id)
    both = (await couponry("explain", *customer, "--json")).json()
    assert [(one["event_id"], one["outcome"]) for one in both] == [
        ("free", "issued"),
        ("waits", "waiting"),
    ]
    assert "install the package tzdata" in (await couponry("explain", *customer)).out
    assert (await couponry("explain", "waits", "--source", "/another")).code == 1
    refused = await couponry("what-if", "--game-id", dated, "--set", "coupon_validity_days=3")
    assert refused.code == 2
    assert NOWHERE in refused.err
    assert len(refused.err.splitlines()) == 1
