"""Coupons that the record has too, as this world has them: which is which, and used as it really was.

A code or an id of the recorded coupon names here the one that the same event granted for the same. One that only this
world grants nobody knows, and one that it does not grant is unknown to whoever names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from services.domain.coupons import held, lifecycle
from services.domain.coupons.coupon import Coupon, Step
from services.domain.coupons.effects import ChangeCoupon, GrantCoupon
from services.domain.coupons.held import Coupons
from services.domain.coupons.lifecycle import StepRefusal, Steps
from services.domain.effects import Effect
from services.domain.points.wallet import NEVER
from services.insight.what_if.program.history import Known, Stepped, Taken
from services.insight.what_if.program.kept import Kept


@dataclass(slots=True, kw_only=True)
class SameCoupons:
    """Of one family. `_ours` are ids here by the recorded ones, `_to_come` the steps that staff are yet to take."""

    known: Known
    _ours: dict[str, str] = field(default_factory=dict)
    _to_come: dict[str, list[Taken]] = field(default_factory=dict)

    def ours(self, recorded_id: str) -> str | None:
        """The id here of what the record knows by that id; None: there is no such coupon in this world."""
        return self._ours.get(recorded_id)

    def keep(self, kept: Kept, effects: Sequence[Effect], key: Any) -> None:
        """What these effects of one event mean for coupons that something was really done with."""
        found = _same(self.known.coupons.get(key, ()), effects)
        for effect in effects:
            if isinstance(effect, GrantCoupon):
                same = found.get(effect.coupon_id)
                if same is not None:
                    self._begin(kept, effect, same)
            elif isinstance(effect, ChangeCoupon) and effect.coupon.terms is not None:
                _take(kept, effect)

    def of(self, kept: Kept, at: datetime) -> Coupons:
        """What an event can name, or give back; what staff had done by then has been done."""
        for coupon_id in (kept.coupons or {}).keys() & self._to_come.keys():
            steps = self._to_come[coupon_id]
            while steps and steps[0].at <= at:
                self._take_step(kept, coupon_id, steps.pop(0))
            if not steps:
                del self._to_come[coupon_id]
        return Coupons(by_id=kept.coupons or {}, used_by=kept.used_by or {}, paid=kept.paid or {})

    def take(self, kept: Kept, recorded_id: str, step: Taken) -> None:
        """A step that an event took whose record is gone."""
        coupon_id = self._ours.get(recorded_id)
        if coupon_id is not None and coupon_id in self.of(kept, step.at).by_id:
            self._take_step(kept, coupon_id, step)

    def _begin(self, kept: Kept, grant: GrantCoupon, same: Stepped) -> None:
        recorded_id = str(same.coupon_id)
        coupon = replace(
            held.granted(grant),
            code=same.code,
            code_prefix=same.code_prefix,
            external_code=same.external_code,
        )
        kept.coupons = {**(kept.coupons or {}), coupon.id: coupon}
        self._ours[recorded_id] = coupon.id
        if same.coupon_id in self.known.by_staff:
            self._to_come[coupon.id] = list(self.known.by_staff[same.coupon_id])
        if grant.takes:
            kept.paid = {**(kept.paid or {}), coupon.id: grant.takes}
            kept.watch(take.lot for take in grant.takes)  # the points may come back to them

    def _take_step(self, kept: Kept, coupon_id: str, step: Taken) -> None:
        assert kept.coupons is not None
        for change in _steps(kept.coupons[coupon_id], step):
            _take(kept, change)
            kept.count_groups((change,))


def _take(kept: Kept, change: ChangeCoupon) -> None:
    coupons = Coupons(by_id=kept.coupons or {}, used_by=kept.used_by or {})
    coupons = held.after(coupons, change)
    kept.coupons, kept.used_by = dict(coupons.by_id), dict(coupons.used_by)


def _steps(coupon: Coupon, step: Taken) -> Steps:
    """The step on the coupon as it stands in this world, none where it cannot be taken there."""
    settled = lifecycle.settle(coupon, step.at)
    coupon, at, shop_id = settled.coupon, step.at, step.shop_id
    taken: ChangeCoupon | Steps | StepRefusal
    match step.step:
        case Step.RESERVED:
            until = step.until or NEVER
            taken = lifecycle.reserve(coupon, at, shop_id=shop_id or 0, until=until)
        case Step.RELEASED:
            taken = lifecycle.release(coupon, at, shop_id=coupon.reserved_shop_id or 0)
        case Step.USED | Step.REDEEMED:
            taken = lifecycle.redeem(coupon, at, shop_id=shop_id, order_id=step.order_id)
        case Step.REINSTATED:
            taken = lifecycle.give_back(coupon, at, order_id=step.order_id, shop_id=shop_id)
        case Step.CANCELLED:
            taken = lifecycle.cancel(coupon, at, shop_id=coupon.reserved_shop_id)
        case Step.EXPIRED:
            taken = ()  # by its own end, in this world
    if isinstance(taken, StepRefusal):
        return settled.effects
    return (*settled.effects, *(taken if isinstance(taken, tuple) else (taken,)))


def _same(stepped: Sequence[Stepped], effects: Sequence[Effect]) -> dict[str, Stepped]:
    """Which of these really is which that was granted here, by its id: one of the same terms; where those have changed,
    one that was granted for the same."""
    left = list(stepped)
    granted = [effect for effect in effects if isinstance(effect, GrantCoupon)] if left else []
    found: dict[str, Stepped] = {}
    for asks_terms in (True, False):
        for effect in granted:
            source = (effect.source.kind, effect.source.id)
            same = next(
                (each for each in left if each.source == source and (each.terms == effect.terms or not asks_terms)),
                None,
            )  # fmt: skip
            if same is not None and effect.coupon_id not in found:
                left.remove(same)
                found[effect.coupon_id] = same
    return found
