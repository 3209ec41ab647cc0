"""The timeline of `explain`: what came in, what decided, what stood in the way, what left and what happened since."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from schemas.topics import GAME_COMPLETED
from services.adapters.postgres.pool import connect
from services.adapters.postgres.queries import queries
from services.domain.coupons.codes import display
from services.insight.explain.wording import rule_in_words
from services.runtime.settings import PREFIX, Settings
from tests.stand.commands import Command, CommandOn, Process
from tests.stand.feed import ends
from tests.stand.records import completed, headers, raw
from tests.stand.world import World

PASSES = {"decision_at", "still_queued", "decisions_of_external_code"}
"""Queries that say of themselves that they read a table whole."""
CONDITIONS = {"Index Cond", "Recheck Cond"}


def whats(answer: Any) -> list[str]:
    """The words of a timeline, in its order."""
    return [entry["what"] for entry in answer["timeline"]]


def detail(answer: Any, what: str) -> str:
    """The sentence of the only entry of that word."""
    (found,) = [entry["detail"] for entry in answer["timeline"] if entry["what"] == what]
    return str(found)


async def explained(couponry: Command, *arguments: object) -> Any:
    """The JSON of `explain`."""
    return (await couponry("explain", "--json", *arguments)).json()


async def test_timeline_of_a_declined_event(world: World, couponry_on: CommandOn) -> None:
    """Happened, arrived, decided by which rule, blocked by which coupon in which state until when, published."""
    couponry = couponry_on(world.settings)
    answer = await explained(couponry, "jonas-single-2")
    assert whats(answer) == ["happened", "arrived", "decided", "blocked", "published"]
    instants = [entry["at"] for entry in answer["timeline"]]
    assert instants[:4] == sorted(instants[:4])
    assert instants[2] == answer["decided_at"]
    assert instants[4] is None
    assert "customer jonas of Café Nord" in detail(answer, "happened")
    assert "“Wheel of fortune” won" in detail(answer, "happened")
    place = f"{answer['topic']}:{answer['partition']}:{answer['offset']}"
    assert detail(answer, "arrived") == f"as {place}"
    assert "one active coupon per customer, valid 7 days" in detail(answer, "decided")
    assert "by version 1" in detail(answer, "decided")
    coupon = await explained(couponry, "jonas-single-1")
    blocked = detail(answer, "blocked")
    assert coupon["coupon_id"] in blocked
    assert f"issued {coupon['decided_at']}, active then" in blocked
    assert detail(coupon, "ends").split(" ends")[0] in blocked
    assert coupon["timeline"][-1]["at"] in blocked


async def test_timeline_of_an_issued_coupon(world: World, couponry_on: CommandOn) -> None:
    """Which coupon and until when, that it was published, and when it ends by itself."""
    answer = await explained(couponry_on(world.settings), "rūta-single-1")
    assert whats(answer) == ["happened", "arrived", "decided", "issued", "published", "ends"]
    assert answer["coupon_id"] in detail(answer, "issued")
    assert answer["timeline"][-1]["at"] in detail(answer, "issued")
    endless = await explained(couponry_on(world.settings), "rūta-forever")
    assert "valid without end" in detail(endless, "issued")
    assert "ends" not in whats(endless)


async def test_timeline_does_without_kafka(
    world: World, couponry_on: CommandOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no cluster, or none that answers, the arrival has no instant; a place is found by one pass."""
    couponry = couponry_on(world.settings)
    whole = await explained(couponry, "structured")
    place = f"{whole['topic']}:{whole['partition']}:{whole['offset']}"
    assert await explained(couponry, place) == whole
    whole["timeline"][1]["at"] = None
    monkeypatch.setenv(f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    assert await explained(couponry, place) == whole
    monkeypatch.delenv(f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS")
    assert await explained(couponry, place) == whole


async def test_arrival_is_that_of_the_event_itself(
    copied: Settings, couponry_on: CommandOn
) -> None:
    """A topic that was made anew has another event at the same place: its instant is not taken."""
    owner = await asyncpg.connect(copied.postgres_dsn)
    await owner.execute(
        """
        UPDATE couponry.decisions d SET "offset" = other."offset" FROM couponry.decisions other
        WHERE d.event_id = 'lost' AND other.event_id = 'nobodys'
        """
    )
    await owner.close()
    answer = await explained(couponry_on(copied), "lost")
    assert answer["timeline"][1] == {
        "at": None,
        "what": "arrived",
        "detail": f"as {answer['topic']}:{answer['partition']}:{answer['offset']}",
    }


async def test_place_of_a_repeat_leads_to_the_decision(
    world: World, couponry_on: CommandOn
) -> None:
    """A record that only repeats an event is explained by that event, at the place it was decided from."""
    couponry = couponry_on(world.settings)
    first = await explained(couponry, "ona-many-1")
    end = {place.partition: end for place, end in (await ends(world.settings)).items()}
    found = []
    for offset in range(first["offset"] + 1, end[first["partition"]]):
        result = await couponry(
            "explain", "--json", f"{GAME_COMPLETED}:{first['partition']}:{offset}"
        )
        found += [result.json()] if '"ona-many-1"' in result.out else []
    assert found == [first]


async def test_timeline_says_what_still_waits(
    process: Process, game: dict[str, Any], couponry: Command, database: asyncpg.Connection
) -> None:
    """Queued since when; set aside and why; sent once more: each as the outbox has it."""
    await process([completed("e-1", **game)])
    queued_at = await database.fetchval("SELECT queued_at FROM outbox")
    answer = await explained(couponry, "e-1")
    (entry,) = [one for one in answer["timeline"] if one["what"] == "queued"]
    assert entry["at"].startswith(queued_at.strftime("%Y-%m-%dT%H:%M:%S.%f"))
    code = await database.fetchval("SELECT code FROM coupons")
    assert entry["detail"] == (
        f"coupon.issued of coupon …{code[-4:]}: waits in the outbox to be published in coupon-issued"
    )
    assert "published" not in whats(answer)
    await database.execute("UPDATE outbox SET refused = 'MESSAGE_TOO_LARGE'")
    assert "MESSAGE_TOO_LARGE" in detail(await explained(couponry, "e-1"), "set aside")
    await database.execute("DELETE FROM outbox")
    assert "queued" not in whats(await explained(couponry, "e-1"))
    await couponry("republish", "--game-id", game["game_id"])
    again = await explained(couponry, "e-1")
    assert {"published", "queued"} < set(whats(again))
    assert "once more" in detail(again, "queued")


async def test_timeline_follows_the_coupon(
    process: Process, game: dict[str, Any], couponry: Command, database: asyncpg.Connection
) -> None:
    """An order's redemption stands in the coupon's timeline and in the order's; a customer's has it once."""
    await process([completed("e-1", **game)])
    code = display(await database.fetchval("SELECT code FROM coupons"))
    await process([placed(game, "o-1", code, "0000-0000-0000-0000")])
    await process([placed(game, "o-1", type_="order.cancelled")])
    answer = await explained(couponry, "e-1")
    assert [what for what in whats(answer) if what != "queued"] == [
        "happened", "arrived", "decided", "issued", "redeemed", "reinstated", "ends",
    ]  # fmt: skip
    assert f"coupon …{code[-4:]} by issuer, order o-1" in detail(answer, "redeemed")
    order_id = await database.fetchval(
        "SELECT event_id FROM decisions ORDER BY seq OFFSET 1 LIMIT 1"
    )
    order = await explained(couponry, order_id)
    assert {"code", "redeemed"} < set(whats(order))
    assert "issued" not in whats(order)
    assert "order o-1" in detail(order, "happened")
    assert any("refused: unknown_code" in entry["detail"] for entry in order["timeline"])
    customer = ("--customer", "anna", "--partner-id", game["partner_id"])
    told = (await couponry("explain", *customer)).out
    assert len(re.findall(r" redeemed +coupon ", told)) == 1
    assert told.count(" queued ") == 3  # issued, redeemed, reinstated: each once
    assert "Europe/Vilnius" in told
    assert code not in told
    answers = await explained(couponry, *customer)
    assert [one["outcome"] for one in answers] == ["issued", "recorded", "recorded"]


async def test_blocking_coupon_is_shown_as_it_was(
    process: Process, game: dict[str, Any], couponry: Command, database: asyncpg.Connection
) -> None:
    """A coupon that was used later blocked until then, and was active when it stood in the way."""
    await database.execute("UPDATE games SET allow_multiple_active_coupons = false")
    await process([completed("e-1", **game)])
    await process([completed("e-2", **game)])
    code = display(await database.fetchval("SELECT code FROM coupons"))
    await process([placed(game, "o-1", code)])
    blocked = detail(await explained(couponry, "e-2"), "blocked")
    assert "active then; it did so until it was redeemed at" in blocked


async def test_timeline_tells_what_was_done_about_a_letter(
    process: Process, game: dict[str, Any], couponry: Command, database: asyncpg.Connection
) -> None:
    """Arrived, died, was published, was tried again by whom and why, was given up."""
    await process([raw(headers("broken"), b"{")])
    await couponry("dead-letters", "redrive", "--reason", "perhaps now")
    await couponry("dead-letters", "discard", "--reason", "no use")
    answer = await explained(couponry, "broken")
    assert whats(answer) == ["arrived", "dead letter", "queued", "redrive", "discard"]
    assert "decode" in detail(answer, "dead letter")
    assert "it died again" in detail(answer, "redrive")
    assert "perhaps now" in detail(answer, "redrive")
    assert "no use" in (await couponry("explain", "broken")).out


async def test_timeline_goes_by_keys(settings: Settings) -> None:
    """No query reads a table whole, however many rows there are, but for those that say so."""
    arguments = {
        "decisions_of_event": (str(uuid4()), str(uuid4()), "e"),
        "letters_of_events": (["e"],),
        "decision_at": ("t", 0, 0),
        "letter_at": ("t", 0, 0),
        "decision_of_coupon": (uuid4(),),
        "decision_of_code": ("0",),
        "decisions_of_external_code": ("0",),
        "decisions_of_customer": (1, "anna"),
        "rules": ([1], [1]),
        "parties": ([1],),
        "coupons_concerned": ([uuid4()], [1], [uuid4()]),
        "steps": ([uuid4()],),
        "deliveries": ([uuid4()],),
        "attempts": ([uuid4()],),
        "issued_by_hand": ([1], ["c"]),
        "stamps": ([1], ["o"], [uuid4()]),
        "entries_of_events": ([1], [uuid4()]),
        "decision": (uuid4(), "e", "/couponry/http/1"),
        "campaign_names": ([1], [1]),
        "still_queued": (["e"], [1], ["k"]),
        "handled": ([1],),
        "waiting": (str(uuid4()), str(uuid4()), ["t"], 0, 0, 1, "anna"),
    }
    others = {"decision": queries("inbox"), "entries_of_events": queries("points")}
    sql = {**queries("explain", "services.insight.explain")}
    sql |= {name: found[name] for name, found in others.items()}
    assert arguments.keys() == sql.keys()
    connection = await connect(settings, "test", enable_seqscan="off")
    reading_whole = set()
    for name, values in arguments.items():
        ((plan,),) = await connection.fetch(f"EXPLAIN (FORMAT JSON) {sql[name]}", *values)
        if any("Relation Name" in node and not CONDITIONS & node.keys() for node in nodes(plan)):
            reading_whole.add(name)
    await connection.close()
    assert reading_whole == PASSES


def nodes(plan: str) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    waiting = [json.loads(plan)[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.get("Plans", [])


def test_rule_is_told_in_words() -> None:
    """What of a version matters is said, what is not set is left out."""
    rules = {
        "allow_multiple_active_coupons": True, "coupon_validity_days": None, "game_type": "stamps", "is_active": False,
        "stamps_required": 5, "start_date": "2026-03-02", "end_date": None, "customer_limit_per_day": 2, "total_limit": 1500,
    }  # fmt: skip
    assert rule_in_words(rules) == (
        "any number of active coupons per customer, valid without end, at most 2 for a customer and day, "
        "at most 1,500 for all together, 5 stamps fill a card, from 2026-03-02, switched off"
    )


def placed(
    game: dict[str, Any], order_id: str, *codes: str, type_: str = "order.placed"
) -> ConsumerRecord:
    """An order event of anna's that carries these codes."""
    data = {"partner_id": game["partner_id"], "order_id": order_id, "customer_id": "anna"}
    data |= {"currency": "EUR", "total": "9.90", "coupon_codes": list(codes)}
    envelope = dict(headers(str(uuid4()), "/shop")) | {"ce_type": type_.encode()}
    return raw(tuple(envelope.items()), json.dumps(data).encode())
