"""Take one step on one coupon, in the caller's transaction: what shop staff do, as opposed to events and time.

The owner's row is locked first, as for an event, so steps on a coupon, orders and completions of its owner come
out as if one after the other. What time has done by then is recorded too, also when the step is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from services.adapters.postgres import coupons, inbox, purchases, rules
from services.adapters.postgres.coupons import coupon_from
from services.adapters.postgres.pool import Connection
from services.decisions.manner import Manner
from services.decisions.recording import NO_RULES, write
from services.decisions.rows import Owner, Rows
from services.decisions.till import judge
from services.domain.arrival import CustomerKey, LockedCustomer
from services.domain.coupons import lifecycle
from services.domain.coupons.coupon import Coupon, Step
from services.domain.coupons.discounts import TermsReason
from services.domain.coupons.lifecycle import StepRefusal, Steps, settle
from services.domain.program import Game, Program

Refusal = StepRefusal | TermsReason
"""Why a step cannot be taken: as the coupon stands, or by its terms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """Who wants which step, at which shop, and why. `reserve_for` is how long a reservation lasts.

    `total` of what is paid for, where a redemption tells it: the coupon's terms are held against it.
    `traceparent` names the trace that the request belongs to, if any.
    """

    coupon_id: str
    step: Step
    shop_id: int
    actor: str
    reason: str | None = None
    reserve_for: timedelta = timedelta()
    total: Decimal | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAnswer:
    """The coupon as it was found and as it stands now, when that was, and the refusal if the step was not taken.

    `discount` is what a redemption takes off its total, where that can be said.
    """

    before: Coupon
    coupon: Coupon
    at: datetime
    refusal: Refusal | None = None
    discount: Decimal | None = None


async def take_step(
    connection: Connection, request: StepRequest, manner: Manner
) -> StepAnswer | None:
    """None: no such coupon for this session. Commit also after a refusal. Raises LostRace: begin again."""
    (found,) = await coupons.with_owners(connection, [request.coupon_id]) or (None,)
    if found is None:
        return None
    key = (found["partner_id"], found["customer_id"])
    locked = await inbox.lock_customer(connection, key, manner.clock_offset, manner.guard)
    (row,) = await coupons.with_owners(connection, [request.coupon_id])
    before = coupon_from(row)
    settled = settle(before, locked.at)
    answer = await _answer(connection, request, settled.coupon, key, locked, manner.clock_offset)
    rows = Rows(writing=manner.writing)
    owner = Owner.of_row(row, request.actor, request.traceparent)
    for change in (*settled.effects, *answer.steps):
        rows.add_step(change, owner)
    await write(connection, rows, by_copy=manner.by_copy, rules=answer.rules)
    return StepAnswer(
        before=before,
        coupon=answer.steps[-1].coupon if answer.steps else settled.coupon,
        at=locked.at,
        refusal=answer.refusal,
        discount=answer.discount,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """Steps, the last one on the coupon itself, or why there are none; by rules that are to be in force still."""

    steps: Steps = ()
    refusal: Refusal | None = None
    rules: Program = NO_RULES
    discount: Decimal | None = None


def _answered(steps: Steps | Refusal, used: Program = NO_RULES) -> _Answer:
    if isinstance(steps, tuple):
        return _Answer(steps=steps, rules=used)
    return _Answer(refusal=steps, rules=used)


async def _answer(
    connection: Connection,
    request: StepRequest,
    coupon: Coupon,
    owner: CustomerKey,
    locked: LockedCustomer,
    clock_offset: timedelta,
) -> _Answer:
    """What comes of the request for this coupon, settled, of a customer who is locked."""
    if request.step is Step.REDEEMED:
        return await _redeemed(connection, request, coupon, owner, locked, clock_offset)
    if request.step is not Step.REINSTATED:
        return _answered(_taken(request, coupon, locked))
    if coupon.game_id is None:
        uses = await purchases.standing_uses(connection, locked.number, coupon.id)
        return _answered(_given_back(request, coupon, locked, uses))
    used = Program(games=await rules.load_games(connection, [coupon.game_id]))
    holders = await coupons.holders(connection, {(locked.number, coupon.game_id)})
    holder = coupon_from(holders[0]) if holders else None
    game = used.games[coupon.game_id]
    return _answered(_reinstated(request, coupon, locked, game, holder), used)


async def _redeemed(
    connection: Connection,
    request: StepRequest,
    coupon: Coupon,
    owner: CustomerKey,
    locked: LockedCustomer,
    clock_offset: timedelta,
) -> _Answer:
    """One use, if the state machine and then the coupon's terms have nothing against it."""
    steps = _taken(request, coupon, locked)
    if isinstance(steps, StepRefusal):
        return _Answer(refusal=steps)
    judged = await judge(connection, coupon, request.total, owner, clock_offset)
    if isinstance(judged.answer, TermsReason):
        return _Answer(refusal=judged.answer, rules=judged.rules)
    return _Answer(steps=steps, rules=judged.rules, discount=judged.answer.discount)


def _taken(request: StepRequest, coupon: Coupon, locked: LockedCustomer) -> Steps | StepRefusal:
    """What the state machine says to this request."""
    at, shop_id, reason = locked.at, request.shop_id, request.reason
    match request.step:
        case Step.RESERVED:
            until = at + request.reserve_for
            change = lifecycle.reserve(coupon, at, shop_id=shop_id, until=until, reason=reason)
        case Step.RELEASED:
            change = lifecycle.release(coupon, at, shop_id=shop_id, reason=reason)
        case Step.REDEEMED:
            change = lifecycle.redeem(coupon, at, shop_id=shop_id, reason=reason)
        case Step.CANCELLED:
            change = lifecycle.cancel(coupon, at, shop_id=shop_id, reason=reason)
        case Step.REINSTATED:
            raise ValueError("reinstating asks for rules: see _reinstated")
        case Step.EXPIRED:
            raise ValueError("only time expires a coupon")
        case Step.USED:
            raise ValueError(
                "a use is asked for as a redemption: its terms say whether some are left"
            )
        case _:
            assert_never(request.step)
    return change if isinstance(change, StepRefusal) else (change,)


def _given_back(
    request: StepRequest, coupon: Coupon, locked: LockedCustomer, uses: Sequence[str]
) -> Steps | StepRefusal:
    """A use of a coupon that no game issued: no rule of now is asked.

    A till's own comes back first, which no order can give back; else the newest of the `uses` that orders have, and the
    order has it no more, or its reversal would give it back once again.
    """
    return lifecycle.give_back(
        coupon,
        locked.at,
        order_id=uses[0] if uses and len(uses) >= coupon.used_count else None,
        shop_id=request.shop_id,
        reason=request.reason,
    )


def _reinstated(
    request: StepRequest,
    coupon: Coupon,
    locked: LockedCustomer,
    game: Game,
    holder: Coupon | None,
) -> Steps | StepRefusal:
    """Reinstating asks for the game's rule of now, confirmed before the commit, and for who has the single place."""
    return lifecycle.reinstate(
        coupon,
        locked.at,
        game=game,
        holder=holder,
        shop_id=request.shop_id,
        reason=request.reason,
    )
