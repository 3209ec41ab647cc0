"""One decision under way: what has come of the event so far, and the customer after that.

Rules of the program follow each other, and each sees what the ones before it did. A course is made, filled and read
within one call of `decide`; nobody else ever sees it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.domain.coupons.effects import DeclineReward, GrantCoupon, GrantRefusal
from services.domain.coupons.granting import granted, refused
from services.domain.coupons.issuing import Draw
from services.domain.coupons.stock import NO_STOCK, UNTOUCHED, GroupStock, Stock, left_of
from services.domain.effects import Effect
from services.domain.origins import Source
from services.domain.partner_program import PartnerProgram
from services.domain.points.ledger import Earning, earned, ended, expiry
from services.domain.points.wallet import Post
from services.domain.rewards import Reward
from services.domain.state import CustomerState, Evolving
from services.domain.terms import Terms
from services.domain.tiers import Tier, progress_by, tier_at


class Course:
    """`state` is the customer now; `effects` what has come of the event, in order. `at` is the decision instant."""

    def __init__(
        self,
        program: PartnerProgram | None,
        state: CustomerState,
        *,
        at: datetime,
        draws: Iterable[Draw],
        stock: Stock = NO_STOCK,
    ) -> None:
        self.program = program
        self.state = Evolving(state)
        self.at = at
        self.effects: list[Effect] = []
        self._draws = iter(draws)
        self._stock = stock
        if state.wallet.lots:
            self.add(*ended(state.wallet, at))
        self.tier = self.tier_now()
        """Before the event, which is what its rules ask for."""
        self.tags = state.profile.tags

    def add(self, *effects: Effect) -> None:
        """Something has come of it."""
        if effects:
            self.effects += effects
            self.state.take(effects)

    def tier_now(self) -> Tier | None:
        """The tier that the customer's progress reaches."""
        if self.program is None:
            return None
        progress = progress_by(self.program.tier_method, self.state.wallet)
        return tier_at(self.program.tiers, progress)

    def draw(self) -> Draw:
        """Randomness for one more coupon."""
        return next(self._draws)

    def earn(self, earning: Earning, ends_at: datetime | None = None) -> Post | None:
        """The entry of what comes in, None for nothing; points end by the program's rules, or earlier if told so."""
        if not earning:
            return None
        profile = self.state.profile
        days = self.program.points_end_after(profile) if self.program is not None else ()
        ends = expiry(self.at, *days)
        if ends_at is not None:
            ends = ends_at if ends is None else min(ends, ends_at)
        entries = earned(self.state.wallet, earning, at=self.at, ends=ends)
        self.add(*entries)
        return entries[0]

    def grant(
        self,
        reward: Reward,
        source: Source,
        order_id: str | None = None,
        *,
        referrals: int = 0,
    ) -> tuple[Post | None, tuple[str, ...]]:
        """The entry of a reward's points and score, if it has any, and the ids of its coupons."""
        assert self.program is not None
        entry = self.earn(
            Earning(
                source=source,
                points=reward.points,
                score=reward.score,
                referrals=referrals,
                order_id=order_id,
            )
        )
        ids = []
        for terms in reward.coupons:
            # Of one that is refused too: what the next one is called does not hang on it.
            draw = self.draw()
            if reason := self.refused(terms):
                self.add(DeclineReward(source=source, reason=reason))
            else:
                coupon = self.granted(terms, source, draw)
                self.add(coupon)
                ids.append(coupon.coupon_id)
        return entry, tuple(ids)

    def refused(self, terms: Terms) -> GrantRefusal | None:
        """Why the customer can be granted no coupon of these terms now."""
        assert self.program is not None
        stock = self._left_of(terms)
        return refused(terms, self.program.groups, self.state.coupons, stock, self.at)

    def granted(self, terms: Terms, source: Source, draw: Draw) -> GrantCoupon:
        """A coupon of terms that are not refused. It has not come yet: it is to be added."""
        assert self.program is not None
        return granted(
            terms,
            source,
            self.program.groups,
            self._left_of(terms),
            at=self.at,
            draw=draw,
            program_version=self.program.version,
            asks_for_codes=self.program.asks_for_codes,
        )

    def _left_of(self, terms: Terms) -> GroupStock:
        """What the group of these terms has left by now."""
        assert self.program is not None
        handle = terms.group
        if handle is None or handle not in self.program.groups:
            return UNTOUCHED
        stock = self._stock.get((self.program.partner_id, handle), UNTOUCHED)
        return left_of(stock, handle, self.effects)
