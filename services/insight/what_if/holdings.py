"""What a world remembers of a customer's coupons: those that a later event can come upon, and their real ends.

A million customers may hold one each, so the usual case, one active coupon and at most one step that ends it, is kept
packed: a fifth of the memory that the objects would take.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from services.domain.coupons.coupon import OPEN_STATUSES, Coupon, CouponStatus, Step
from services.domain.coupons.effects import ChangeCoupon, IssueCoupon
from services.domain.coupons.held import issued
from services.domain.coupons.lifecycle import StepRefusal, cancel, redeem, reinstate, settle
from services.domain.program import Game

TAKEN_STEPS = (Step.REDEEMED, Step.CANCELLED, Step.REINSTATED)
"""Steps that the record has the say in. Expiry follows the rules that are tried; a reserved coupon is active."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PACKED = struct.Struct("<16sqqqqB")
_NEVER = -(2**63)
"""Stands for an instant or a number that there is not."""


class Moment(NamedTuple):
    """Where a decision stands. `blocked_by`: the coupon that was in its way when it was really made."""

    seq: int
    at: datetime
    blocked_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RealStep:
    """A step that was really taken, or that the reversal of an order tried to take.

    `seq` is the number of the order's decision; None: shop staff did it. `under_single`: whether the coupon came back
    under the single rule when staff reinstated it.
    """

    step: Step
    at: datetime
    seq: int | None = None
    order_id: str | None = None
    under_single: bool = False

    def is_before(self, moment: Moment, coupon_id: str) -> bool:
        """Taken before that decision was made, or by it.

        A redemption and a completion of one poll share their instant, so numbers are compared wherever there are
        some. Where staff and a decision share it (a clock was set back), a coupon that blocked was open still.
        """
        if self.seq is not None:
            return self.seq <= moment.seq
        return self.at < moment.at or (self.at == moment.at and coupon_id != moment.blocked_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A coupon, and the real steps on it that lie ahead."""

    coupon: Coupon
    to_come: tuple[RealStep, ...] = ()

    @property
    def matters(self) -> bool:
        """Whether it holds a single place, or may come to."""
        if self.coupon.status in OPEN_STATUSES and self.coupon.holds_single_place:
            return True
        ended = self.coupon.status in (CouponStatus.CANCELLED, CouponStatus.EXPIRED)
        return not ended and any(step.step is Step.REINSTATED for step in self.to_come)


Holdings = tuple[Holding, ...]
GameAt = Callable[[RealStep], Game]
"""The game's rules at a reinstatement."""


def caught_up(holdings: Holdings, moment: Moment, game_at: GameAt) -> Holdings:
    """The customer's coupons when this decision is made: every earlier step taken, in the order in which it was.

    A reversal takes the coupons of its order by their ids.
    The same object if there was none. A step that this world has no place for (the coupon is over by then, or somebody
    holds the single place) is not taken, by the rule that would refuse it.
    """
    taken = False
    while due := [
        (holding.to_come[0].at, holding.to_come[0].seq or 0, holding.coupon.id, number)
        for number, holding in enumerate(holdings)
        if holding.to_come and holding.to_come[0].is_before(moment, holding.coupon.id)
    ]:
        *_, number = min(due)
        holdings = _step_taken(holdings, holdings[number], game_at)
        taken = True
    return tuple(holding for holding in holdings if holding.matters) if taken else holdings


def _step_taken(holdings: Holdings, holding: Holding, game_at: GameAt) -> Holdings:
    """All of them after the next step of one."""
    step, *rest = holding.to_come
    settled = settle(holding.coupon, step.at)
    others = [one.coupon for one in holdings if one is not holding]
    changes = (*settled.effects, *_changes(settled.coupon, step, others, game_at))
    coupons = {change.coupon.id: change.coupon for change in changes}
    return tuple(
        replace(
            one,
            coupon=coupons.get(one.coupon.id, one.coupon),
            to_come=tuple(rest) if one is holding else one.to_come,
        )
        for one in holdings
    )


def _changes(
    coupon: Coupon, step: RealStep, others: Iterable[Coupon], game_at: GameAt
) -> tuple[ChangeCoupon, ...]:
    """What the step does to a settled coupon, nothing if it is refused."""
    match step.step:
        case Step.REDEEMED:
            end = redeem(coupon, step.at, shop_id=None, order_id=step.order_id)
        case Step.CANCELLED:
            end = cancel(coupon, step.at)
        case _:
            if step.order_id is not None and coupon.redeemed_order_id != step.order_id:
                return ()
            holder = next((other for other in others if _holds(other)), None)
            steps = reinstate(coupon, step.at, game=game_at(step), holder=holder)
            return () if isinstance(steps, StepRefusal) else steps
    return () if isinstance(end, StepRefusal) else (end,)


def _holds(coupon: Coupon) -> bool:
    return coupon.holds_single_place and coupon.status in OPEN_STATUSES


def after(
    holdings: Holdings, coupons: Mapping[str, Coupon], new_steps: tuple[RealStep, ...]
) -> Holdings:
    """What is left after a decision whose customer has these coupons now; `new_steps` are those of the new one."""
    to_come = {holding.coupon.id: holding.to_come for holding in holdings}
    kept = (
        Holding(coupon=coupon, to_come=to_come.get(coupon.id, new_steps))
        for coupon in {**{one.coupon.id: one.coupon for one in holdings}, **coupons}.values()
    )
    return tuple(holding for holding in kept if holding.matters)


def packed(holdings: Holdings) -> bytes | Holdings:
    """The same in little space if it is the usual case. Coupon ids are 32 hexadecimal digits."""
    if len(holdings) != 1:
        return holdings
    coupon, ends = holdings[0].coupon, holdings[0].to_come
    if coupon.status is not CouponStatus.ACTIVE or not coupon.holds_single_place:
        return holdings
    return _packed(coupon.id, coupon.issued_at, coupon.expires_at, ends) or holdings


def begun(issue: IssueCoupon, steps: tuple[RealStep, ...]) -> bytes | Holdings:
    """A new coupon, with all that was done with it ahead; packed, and empty if nothing can come upon it."""
    if not issue.allow_multiple_active_coupons and (
        kept := _packed(issue.coupon_id, issue.issued_at, issue.expires_at, steps)
    ):
        return kept
    holding = Holding(coupon=issued(issue), to_come=steps)
    return (holding,) if holding.matters else ()


def _packed(
    coupon_id: str, issued_at: datetime, expires_at: datetime | None, steps: tuple[RealStep, ...]
) -> bytes | None:
    """None where more lies ahead than one end."""
    end_at = end_seq = _NEVER
    word = 0
    if steps:
        if len(steps) > 1 or steps[0].step is Step.REINSTATED:
            return None
        (end,) = steps
        end_at, word = microseconds(end.at), TAKEN_STEPS.index(end.step)
        end_seq = _NEVER if end.seq is None else end.seq
    return _PACKED.pack(
        bytes.fromhex(coupon_id),
        microseconds(issued_at),
        _NEVER if expires_at is None else microseconds(expires_at),
        end_at,
        end_seq,
        word,
    )


def unpacked(kept: bytes | Holdings, game_id: int) -> Holdings:
    """The reverse of `packed`."""
    if not isinstance(kept, bytes):
        return kept
    coupon_id, issued_at, expires_at, end_at, end_seq, word = _PACKED.unpack(kept)
    coupon = Coupon(
        id=coupon_id.hex(),
        code="",
        code_prefix="",
        game_id=game_id,
        status=CouponStatus.ACTIVE,
        issued_at=instant_of(issued_at),
        expires_at=None if expires_at == _NEVER else instant_of(expires_at),
        holds_single_place=True,
    )
    if end_at == _NEVER:
        return (Holding(coupon=coupon),)
    end = RealStep(
        step=TAKEN_STEPS[word],
        at=instant_of(end_at),
        seq=None if end_seq == _NEVER else end_seq,
    )
    return (Holding(coupon=coupon, to_come=(end,)),)


def microseconds(at: datetime) -> int:
    """An instant as a number, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def instant_of(number: int) -> datetime:
    """The reverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=number)
