"""Take one step on one coupon, in the caller's transaction: what shop staff do, as opposed to events and time.

The owner's row is locked first, as by an issuer, so steps on a coupon, orders and completions of its owner come
out as if one after the other. What time has done by then is recorded too, also when the step is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from services.adapters.postgres import inbox
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.recording import write
from services.adapters.postgres.rows import Owner, Rows, Writing
from services.adapters.postgres.states import coupon_from
from services.domain.arrival import LockedCustomer
from services.domain.coupons import lifecycle
from services.domain.coupons.coupon import Coupon, Step
from services.domain.coupons.lifecycle import StepRefusal, Steps, settle

_STATES = queries("states")
_SETTLE = queries("settle")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """Who wants which step, at which shop, and why. `reserve_for` is how long a reservation lasts."""

    coupon_id: str
    step: Step
    shop_id: int
    actor: str
    reason: str | None = None
    reserve_for: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAnswer:
    """The coupon as it was found and as it stands now, when that was, and the refusal if the step was not taken."""

    before: Coupon
    coupon: Coupon
    at: datetime
    refusal: StepRefusal | None = None


async def take_step(
    connection: Connection,
    request: StepRequest,
    *,
    clock_offset: timedelta,
    writing: Writing,
    by_copy: bool = True,
) -> StepAnswer | None:
    """None: no such coupon for this session. Commit also after a refusal. Raises LostRace: begin again.

    `by_copy=False` for a role under row-level security, which may not COPY.
    """
    (found,) = await connection.fetch(_SETTLE["coupons"], [request.coupon_id]) or (None,)
    if found is None:
        return None
    key = (found["partner_id"], found["customer_id"])
    locked = (await inbox.lock_customers(connection, {key}, clock_offset))[key]
    (row,) = await connection.fetch(_SETTLE["coupons"], [request.coupon_id])
    before = coupon_from(row)
    settled = settle(before, locked.at)
    steps = await _taken(connection, request, settled.coupon, locked)
    rows = Rows()
    owner = Owner(
        partner_id=row["partner_id"],
        customer_no=row["customer_no"],
        customer_id=row["customer_id"],
        event_key=None,
        actor=request.actor,
        cause=None,
    )
    taken = () if isinstance(steps, StepRefusal) else steps
    for change in (*settled.effects, *taken):
        rows.add_step(change, owner, writing.mask_codes)
    await write(connection, rows, by_copy=by_copy)
    refusal = steps if isinstance(steps, StepRefusal) else None
    after = taken[-1].coupon if taken else settled.coupon
    return StepAnswer(before=before, coupon=after, at=locked.at, refusal=refusal)


async def _taken(
    connection: Connection, request: StepRequest, coupon: Coupon, locked: LockedCustomer
) -> Steps | StepRefusal:
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
            return await _reinstated(connection, request, coupon, locked)
        case Step.EXPIRED:
            raise ValueError("only time expires a coupon")
        case _:
            assert_never(request.step)
    return change if isinstance(change, StepRefusal) else (change,)


async def _reinstated(
    connection: Connection, request: StepRequest, coupon: Coupon, locked: LockedCustomer
) -> Steps | StepRefusal:
    """Reinstating asks for the game's rule of now, held until the commit, and for who has the single place."""
    game = (await inbox.load_games(connection, [coupon.game_id]))[coupon.game_id]
    held = await connection.fetch(_STATES["single_coupons"], [locked.number], [coupon.game_id])
    steps = lifecycle.reinstate(
        coupon,
        locked.at,
        game=game,
        holder=coupon_from(held[0]) if held else None,
        shop_id=request.shop_id,
        reason=request.reason,
    )
    versions = await inbox.current_versions(connection, [game.id])
    if versions.get(game.id) != game.version:
        raise LostRace(f"the rules of game {game.id} changed meanwhile")
    return steps
