"""One script through every door: outcomes, coupons, histories and messages come out equal, however events were decided.

Whoever moves what decides changes `doors.py` and nothing else here. A script drawn from a seed is named by it, so a
failure says which one to play again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import deepcopy
from datetime import timedelta

import pytest
from aiokafka import ConsumerRecord

from services.domain.coupons.coupon import CouponStatus, Step
from services.domain.coupons.discounts import TermsReason
from services.domain.coupons.effects import DeclineReason, RedeemReason
from services.domain.coupons.lifecycle import StepRefusal
from services.domain.decision import CodeOutcome, CodeReason, OrderReason, Outcome, UndoReason
from services.domain.letters import Stage
from services.domain.points.wallet import EntryKind
from tests.doors.account import told, whoever_notices
from tests.doors.conftest import PlayedOneByOne
from tests.doors.difference import difference
from tests.doors.doors import (
    ALWAYS_SWEPT,
    HALVED,
    LOST_RACES,
    NEVER_SWEPT,
    ONE_BATCH,
    SMALL_BATCHES,
    STAFF,
    THE_ROOM,
    TWICE,
    TWO_LANES,
    Door,
    House,
    Reports,
    decided_again,
    rehearsed,
)
from tests.doors.doors import (
    one_by_one as decided_one_by_one,
)
from tests.doors.playing import Play, played
from tests.doors.script import (
    POINTS,
    REDEMPTION_RULES,
    WHOLE,
    Script,
    drawn,
    without_sharing,
    without_unstorable,
)
from tests.stand.issuing import count

SEEDS = range(int(os.environ.get("DOOR_SEEDS", "3")))
SCRIPTS: dict[str, Script] = {"whole": WHOLE, "points": POINTS} | {
    f"seed {seed}": drawn(seed) for seed in SEEDS
}
TABLES = ("decisions", "coupons", "coupon_history", "customers", "reversed_orders", "order_stamps", "stamp_cards",
          "game_quota", "dead_letters", "outbox")  # fmt: skip

every_script = pytest.mark.parametrize("script", SCRIPTS)


@every_script
@pytest.mark.parametrize(
    "door",
    [THE_ROOM, ONE_BATCH, SMALL_BATCHES, HALVED, TWICE, LOST_RACES, STAFF],
    ids=lambda door: door.name,
)
async def test_account_is_the_same_through_every_door(
    house: House, one_by_one: PlayedOneByOne, door: Door, script: str
) -> None:
    """Alone, in one batch, in several, halved, again, with staff over HTTP: what is stored and told is as one by one."""
    expected = await one_by_one(script, SCRIPTS[script])
    halved = house.halved
    play = await played(house, door, SCRIPTS[script])
    same(expected, play, script)
    await reproduced(play)
    assert (house.halved > halved) is (door is HALVED)


@every_script
@pytest.mark.parametrize("door", [NEVER_SWEPT, ALWAYS_SWEPT], ids=lambda door: door.name)
async def test_end_is_the_same_whoever_comes_upon_it(
    house: House, one_by_one: PlayedOneByOne, door: Door, script: str
) -> None:
    """Swept before every act or never, what is over ended at its own instant and for its own reason."""
    expected = await one_by_one(script, SCRIPTS[script])
    play = await played(house, door, SCRIPTS[script])
    same(expected, play, script, whoever=True)
    await reproduced(play)


@every_script
async def test_lanes_side_by_side_change_nothing(
    house: House, one_by_one: PlayedOneByOne, script: str
) -> None:
    """Two lanes with customers of their own come out as one, where customers cannot take from each other."""
    apart = without_sharing(SCRIPTS[script])
    expected = await one_by_one(f"{script} apart", apart)
    play = await played(house, TWO_LANES, apart)
    same(expected, play, script)
    await reproduced(play)


@every_script
async def test_rehearsal_foretells_every_decision(
    house: House, one_by_one: PlayedOneByOne, script: str
) -> None:
    """A dry run of an act says what is then done, to the last effect, and leaves no row behind.

    What only the storing refuses, it cannot foretell.
    """
    foretold: Reports = ()
    done: Reports = ()

    async def rehearsed_first(
        house: House, offset: timedelta, records: Sequence[ConsumerRecord]
    ) -> Reports:
        nonlocal foretold, done
        before = [await count(house.database, table) for table in TABLES]
        foretold = (*foretold, *await rehearsed(house, offset, records))
        assert [await count(house.database, table) for table in TABLES] == before
        reports = await decided_one_by_one(house, offset, records)
        done = (*done, *reports)
        return reports

    storable = without_unstorable(SCRIPTS[script])
    expected = await one_by_one(f"{script} storable", storable)
    play = await played(house, Door(name="rehearsed", events=rehearsed_first), storable)
    same(expected, play, script)
    names = await play.names()
    said, happened = told(foretold, names), told(done, names)
    assert happened["decisions"]
    tell(difference(happened, said, play.acts, script=script, door="rehearsed"))


@every_script
async def test_history_decided_again_is_the_same(one_by_one: PlayedOneByOne, script: str) -> None:
    """What-if without a change reproduces every decision on every game of the script, one by one too."""
    await reproduced(await one_by_one(script, SCRIPTS[script]))


OF_A_PROGRAM = {
    OrderReason.ORDER_ALREADY_COUNTED,
    OrderReason.CURRENCY_MISMATCH,
    Step.USED,
    *(CodeReason(reason.value) for reason in TermsReason),
}


async def test_whole_script_leaves_no_name_out(one_by_one: PlayedOneByOne) -> None:
    """The script written by hand comes to every outcome, reason, step, refusal and stage there is a way to.

    But for those of a program: its partner has set none; `tests/simulation` and `tests/decisions` go through them.
    """
    account = (await one_by_one("whole", WHOLE)).account
    said = set(words(account))
    for names in (Outcome, DeclineReason, OrderReason, CodeReason, CodeOutcome, Step, CouponStatus):
        assert set(names) - OF_A_PROGRAM <= said, set(names) - said
    refusals = {answer.rpartition(" ")[2] for answer in account["steps"].values()}
    assert refusals == {*StepRefusal, "taken"}
    # A rule that fails is a bug, which no script can bring about.
    assert {letter["stage"] for letter in account["dead letters"].values()} == {*Stage} - {
        "decide",
        "source",
    }
    assert {stamp["taken_back"] for stamp in account["stamps"].values()} == {True, False}


async def test_points_script_has_all_that_may_be_in_the_way(one_by_one: PlayedOneByOne) -> None:
    """By event and by hand: redeemed, refused, used, reserved, over, given back, and what comes back pays a debt."""
    account = (await one_by_one("points", POINTS)).account
    undone = {*UndoReason} - {UndoReason.COUPON_DELIVERED}  # no partner's own system is told here
    refusals = {RedeemReason.INSUFFICIENT_POINTS, RedeemReason.RULE_NOT_FOUND, *undone}
    assert refusals <= {decision["reason"] for decision in account["decisions"].values()}
    assert set(account["declined by hand"].values()) == refusals - {UndoReason.NOT_A_REDEMPTION}
    entries = [entry for entries in account["ledger"].values() for entry in entries]
    assert {entry["kind"] for entry in entries} == {*EntryKind} - {EntryKind.EXPIRED}
    assert {entry["rule_id"] for entry in entries} == {*REDEMPTION_RULES, None}
    assert any(entry["owed"] < 0 for entry in entries)
    steps = {step["word"] for steps in account["history"].values() for step in steps}
    assert steps == {*Step}


async def test_difference_names_the_act_and_both_sides(one_by_one: PlayedOneByOne) -> None:
    """Who breaks something reads which script, door and act, which entry, and what it is on either side."""
    play = await one_by_one("whole", WHOLE)
    account, broken = play.account, deepcopy(play.account)
    broken["coupons"]["bert-wins"]["status"] = "lost"
    del broken["history"]["anna-wins"]
    assert difference(account, broken, play.acts, script="whole", door="broken").splitlines()[:3] == [
        "whole, broken: 2 entries differ, the first are",
        "  act 0: coupons · bert-wins · status: 'redeemed' one by one, 'lost' here",
        f"  act 0: history · anna-wins: {account['history']['anna-wins']!r} one by one, 'nothing' here",
    ]  # fmt: skip


def same(expected: Play, play: Play, script: str, *, whoever: bool = False) -> None:
    """Fails with what differs in the accounts of two plays, to be read."""
    one, other = expected.account, play.account
    if whoever:
        one, other = whoever_notices(one), whoever_notices(other)
    tell(difference(one, other, play.acts, script=script, door=play.door.name))


def tell(difference: str) -> None:
    """Nothing but the difference: where it was found says nothing more."""
    if difference:
        pytest.fail(difference, pytrace=False)


async def reproduced(play: Play) -> None:
    """What-if without a change comes to what is recorded, of every game, and has something to decide."""
    read, wrong = await decided_again(play.house, list(play.games.values()))
    assert not wrong, play.door.name
    assert read > len(play.games)


def words(account: object) -> list[str]:
    """Every text in an account."""
    if isinstance(account, dict):
        return [word for one in account.values() for word in words(one)]
    if isinstance(account, list):
        return [word for one in account for word in words(one)]
    return [account] if isinstance(account, str) else []
