"""Decide within what groups of coupons have left.

Most events that may earn a coupon of a group earn none, so nobody waits for that: a batch is decided upon what is
committed. Only if that gives something of a group with an end to it, the group is locked until the commit, and the
batch decided again upon what is left then. What has nothing left as committed costs one read.

All groups whose counts will move are locked together and in one order, since the triggers that count would come upon
them in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from services.adapters.postgres import groups
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.domain.arrival import Incoming, Verdict
from services.domain.coupons.stock import UNTOUCHED, GroupKey, Stock, moves
from services.domain.needs import Needs
from services.domain.program import Program

Answers = tuple[list[Verdict], list[Incoming]]
Decide = Callable[[Stock], Answers]
"""Decides a batch within this stock; called again for another."""


async def decide_within_stock(
    connection: Connection,
    asked: Sequence[tuple[Incoming, Needs]],
    program: Program,
    decide: Decide,
) -> Answers:
    """What comes of the batch; the groups that it moves stay locked. Raises LostRace, and whatever `decide` does."""
    wanted = most_granted(asked)
    stock = await groups.stock_of(connection, dict.fromkeys(wanted, 1))
    answers = decide(stock)
    if not program.partners:
        return answers
    granted, moved = _moved(answers[0])
    scarce = {key for key in granted if _has_end(key, stock, program)}
    if not scarce and len(moved) < 2:
        return answers
    await groups.lock(connection, moved, are_there=moved <= stock.keys())
    if not scarce:
        return answers
    stock |= await groups.stock_of(connection, {key: wanted[key] for key in scarce})
    answers = decide(stock)
    granted, _ = _moved(answers[0])
    if any(_has_end(key, stock, program) for key in granted - scarce):
        raise LostRace("the batch earns coupons of other groups than it would have a moment ago")
    return answers


def most_granted(asked: Iterable[tuple[Incoming, Needs]]) -> dict[GroupKey, int]:
    """The most coupons that these events can earn of each group."""
    return Counter(
        (incoming.customer[0], handle) for incoming, wanted in asked for handle in wanted.groups
    )


def _moved(verdicts: Iterable[Verdict]) -> tuple[set[GroupKey], set[GroupKey]]:
    """The groups of coupons that are granted, and those together with groups of coupons that are cancelled."""
    granted: set[GroupKey] = set()
    moved: set[GroupKey] = set()
    for verdict in verdicts:
        partner_id = verdict.incoming.customer[0]
        for handle, by in moves(verdict.decision.effects):
            moved.add((partner_id, handle))
            if by > 0:
                granted.add((partner_id, handle))
    return granted, moved


def _has_end(key: GroupKey, stock: Stock, program: Program) -> bool:
    """Whether there are only so many coupons of the group; of one that the program does not know there is no end."""
    partner_id, handle = key
    group = program.partners[partner_id].groups.get(handle)
    if group is None:
        return False
    return group.max_total is not None or stock.get(key, UNTOUCHED).codes is not None
