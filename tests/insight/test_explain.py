"""`explain`: an event by id, by coupon, by customer, by its place in the topic; dead ones too."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.topics import GAME_COMPLETED
from services.adapters.postgres.pool import connect
from services.domain.coupons.codes import display
from tests.stand.commands import Command, CommandOn
from tests.stand.world import NOBODYS_GAME, OTHER_SOURCE, SOURCE, World

KEYS = [
    "event_id", "source", "type", "outcome", "reason", "rule_version", "blocking_coupon_id", "coupon_id",
    "codes", "program", "decided_at", "topic", "partition", "offset", "traceparent", "dead_letters", "timeline",
]  # fmt: skip


@pytest.fixture
def explain(world: World, couponry_on: CommandOn) -> Command:
    """The JSON of `explain` in the world."""
    couponry = couponry_on(world.settings)

    async def run(*arguments: object) -> Any:
        return (await couponry("explain", "--json", *arguments)).json()

    return run


async def _coupon(world: World, customer_id: str, game_id: int) -> Any:
    connection = await connect(world.settings, "test")
    row = await connection.fetchrow(
        "SELECT c.* FROM coupons c JOIN customers USING (customer_no) WHERE customer_id = $1 AND game_id = $2",
        customer_id,
        game_id,
    )
    await connection.close()
    return row


async def test_explain_says_what_was_issued(world: World, explain: Command) -> None:
    """An issuing decision: coupon, rule version, when, and the record it was read from."""
    answer: Any = await explain("jonas-single-1")
    assert list(answer) == KEYS
    coupon = await _coupon(world, "jonas", world.single)
    assert answer | {"decided_at": None, "partition": None, "offset": None, "timeline": []} == {
        "event_id": "jonas-single-1",
        "source": SOURCE,
        "type": "game.completed",
        "outcome": "issued",
        "reason": None,
        "rule_version": 1,
        "blocking_coupon_id": None,
        "coupon_id": str(coupon["id"]),
        "codes": [],
        "program": None,
        "decided_at": None,
        "topic": world.settings.topic(GAME_COMPLETED),
        "partition": None,
        "offset": None,
        "traceparent": None,
        "dead_letters": [],
        "timeline": [],
    }
    assert answer["decided_at"].endswith("Z")


async def test_explain_says_what_stood_in_the_way(world: World, explain: Command) -> None:
    """Every decline names its reason; a blocked one the coupon that blocked it."""
    blocking = await _coupon(world, "jonas", world.single)
    for event_id, reason, blocker, version in (
        ("jonas-single-2", "active_coupon_exists", str(blocking["id"]), 1),
        ("lost", "result_lost", None, 1),
        ("nobodys", "game_not_found", None, None),
    ):
        answer: Any = await explain(event_id)
        assert (answer["outcome"], answer["reason"]) == ("declined", reason)
        assert (answer["blocking_coupon_id"], answer["rule_version"]) == (blocker, version)
    assert NOBODYS_GAME not in {world.single, world.many, world.forever}


async def test_explain_tells_sources_apart(explain: Command) -> None:
    """An id of several sources is a list, a source chooses one of them."""
    both: Any = await explain("shared")
    assert {answer["source"] for answer in both} == {SOURCE, OTHER_SOURCE}
    one: Any = await explain("shared", "--source", OTHER_SOURCE)
    assert one["source"] == OTHER_SOURCE


async def test_explain_finds_the_event_of_a_coupon(world: World, explain: Command) -> None:
    """By id, by code as people type it, with and without its prefix."""
    coupon = await _coupon(world, "rūta", world.many)
    code = display(coupon["code"], coupon["code_prefix"])
    first: Any = await explain("--coupon", coupon["id"])
    assert first["coupon_id"] == str(coupon["id"])
    for written in (code, code.lower(), code.replace("-", ""), display(coupon["code"])):
        assert await explain("--coupon", written) == first


async def test_explain_lists_a_customers_events(world: World, explain: Command) -> None:
    """Everything decided for a customer, in the order in which it was."""
    answers: Any = await explain("--customer", "eglė", "--partner-id", world.partner_id)
    assert [answer["event_id"] for answer in answers] == [
        "eglė-single-1", "eglė-single-2", "eglė-many-1", "eglė-many-2", "eglė-forever",
    ]  # fmt: skip


async def test_explain_knows_the_dead(explain: Command) -> None:
    """A dead letter is explained by its event's id, or by its place where it has none; its reason is the stage."""
    dead: Any = await explain("bad-json")
    assert (dead["outcome"], dead["reason"], dead["decided_at"]) == ("dead", "decode", None)
    (letter,) = dead["dead_letters"]
    assert (letter["stage"], letter["state"]) == ("decode", "open")
    place = f"{dead['topic']}:{dead['partition']}:{dead['offset']}"
    assert await explain(place) == dead
    assert await explain(f"{GAME_COMPLETED}:{dead['partition']}:{dead['offset']}") == dead
    nameless: Any = await explain(f"{dead['topic']}:{dead['partition']}:{dead['offset'] + 1}")
    assert (nameless["event_id"], nameless["outcome"], nameless["reason"]) == (
        None,
        "dead",
        "header",
    )


async def test_explain_shows_what_was_dead_first_and_decided_later(explain: Command) -> None:
    """The decision, and the letter beside it."""
    answer: Any = await explain("mended")
    assert answer["outcome"] == "issued"
    assert [letter["stage"] for letter in answer["dead_letters"]] == ["schema"]
    assert answer["offset"] > answer["dead_letters"][0]["offset"]


async def test_explain_finds_a_decision_by_its_place(explain: Command) -> None:
    """The record at a place, when it was decided."""
    answer: Any = await explain("structured")
    assert await explain(f"{answer['topic']}:{answer['partition']}:{answer['offset']}") == answer


@pytest.mark.parametrize(
    "arguments",
    [
        ("unheard-of",),
        ("jonas-single-1", "--source", "/elsewhere"),
        ("--coupon", "0000-0000-0000-0000"),
        ("--coupon", "not a code"),
        ("--coupon", "00000000-0000-0000-0000-000000000000"),
        ("--customer", "nobody", "--partner-id", "1"),
        ("--customer", "ona", "--partner-id", "2"),
        ("game-completed:0:999999",),
        ("no-such-topic:0:0",),
    ],
)
async def test_explain_of_the_unknown_is_exit_1(
    world: World, couponry_on: CommandOn, arguments: tuple[str, ...]
) -> None:
    """What nobody has heard of: exit 1, one line on stderr, nothing on stdout."""
    result = await couponry_on(world.settings)("explain", *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)


async def test_explain_refuses_a_prefix_of_another_game(
    world: World, couponry_on: CommandOn
) -> None:
    """A code is its symbols, but a prefix that is given must be the coupon's."""
    coupon = await _coupon(world, "rūta", world.many)
    result = await couponry_on(world.settings)(
        "explain", "--coupon", f"OTHER-{display(coupon['code'])}"
    )
    assert result.code == 1


async def test_explain_in_words(world: World, couponry_on: CommandOn) -> None:
    """Without --json it is told in lines."""
    couponry = couponry_on(world.settings)
    told = (await couponry("explain", "jonas-single-2")).out
    assert "declined: active_coupon_exists" in told
    assert "blocked by" in told
    assert "decode: " in (await couponry("explain", "bad-json")).out
