"""A month of the demo's shop by the real rules in memory, and the lines of its table that show what spending does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from schemas.gameball_v4.files import loaded
from schemas.gameball_v4.program import Sections, stored_of, with_ids
from services.adapters.postgres.programs import StoredProgram
from services.adapters.postgres.stored_program import program_from
from services.admin.trial import Happened, Trial
from services.domain.coupons.codes import display
from services.domain.coupons.coupon import Step
from services.domain.coupons.effects import ChangeCoupon, DeclineReward, GrantCoupon
from services.domain.effects import Effect
from services.domain.events import UndoRequested
from services.domain.origins import Source, SourceKind
from services.domain.points.ledger import ended, spent
from services.domain.points.wallet import EntryKind, Post
from services.domain.redeeming import REDEMPTION_UNDONE
from services.domain.state import evolve
from services.stage.demo.shop.happenings import Happening, Joins, Pays, Redeems, Undoes, Week
from services.stage.demo.shop.lines import Line
from services.stage.demo.shop.news import News
from services.stage.demo.shop.program import OFFERS, program_file
from services.stage.demo.shop.standing import Stands
from services.stage.demo.shop.telling import event
from tests.stand.real_shop import incoming
from tests.stand.telling import told

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
SPENDING = (
    Line.OFF, Line.EARNED, Line.ENDED, Line.PAID, Line.REDEEMED, Line.RESTORED, Line.TAKEN, Line.COUPONS, Line.BOUGHT,
    Line.REFUSED, Line.UNDONE, Line.USED, Line.REINSTATED,
)  # fmt: skip
_POINTS = {
    EntryKind.EARNED: Line.EARNED,
    EntryKind.EXPIRED: Line.ENDED,
    EntryKind.REVERSED: Line.TAKEN,
    EntryKind.RESTORED: Line.RESTORED,
}


def _trial() -> Trial:
    document = program_file(1)
    del document["partner_id"]
    sections = with_ids(loaded(Sections(), document).sections, iter(range(1, 100)))
    stored = StoredProgram(
        partner_id=1,
        version=1,
        revision=1,
        sections=stored_of(sections),
        cards="[]",
        time_zone="UTC",
    )
    return Trial(partner=program_from(stored))


@dataclass(slots=True)
class MonthByTheRules:
    """Week after week, as the act tells of it; `counts` has the lines of `SPENDING`."""

    trial: Trial = field(default_factory=_trial)
    counts: Counter[Line] = field(default_factory=Counter)
    _news: News = field(
        default_factory=lambda: News(partner_id=1, reader=None, ends=None, positions={})
    )
    _coupons: dict[str, str] = field(default_factory=dict)
    """Ids as rules in memory have them, by those that a topic can carry."""

    def live(self, week: Week) -> None:
        """What is over ends first; then what happens does, in the act's order."""
        at = self.trial.at = NOW - timedelta(days=week.days_ago)
        for name, state in self.trial.customers.items():
            self._moved(name, ended(state.wallet, at))
        for each in (*week.at_counter, *week.asked, *week.bought):
            if isinstance(each, Pays):
                wallet = self.trial.customers[each.customer].wallet
                source = Source(SourceKind.MANUAL, each.receipt)
                self._moved(each.customer, [spent(wallet, each.points, source=source, at=at)])
            elif not isinstance(each, Undoes) or self._news.coupon_of(each.coupon):
                self._happens(each, at)

    def stands(self) -> dict[str, Stands]:
        """Where each customer has come to."""
        found = {}
        for name, state in self.trial.customers.items():
            assert state.standing.tier is not None
            found[name] = Stands(
                points=state.wallet.balance,
                owed=state.wallet.owed,
                cents=int(state.wallet.spent * 100),
                tier=state.standing.tier.name,
            )
        return found

    def _moved(self, customer: str, posts: Iterable[Post]) -> None:
        posts = list(posts)
        self._count(posts)
        self.trial.customers[customer] = evolve(self.trial.customers[customer], posts)

    def _happens(self, each: Happening, at: datetime) -> None:
        partner = self.trial.partner
        real = [rule for rule in partner.redemption_rules.values() if not rule.is_default]
        rules = {
            offer: next(rule.id for rule in real if rule.points == offer.points) for offer in OFFERS
        }
        _, type_, details = event(each, rules, self._news)
        if isinstance(each, Joins):
            details = {name: value for name, value in details.items() if value is not None}
        heard = incoming(told(type_, each.customer, partner_id=1, at=at, **details)).event
        if isinstance(heard, UndoRequested):
            heard = replace(heard, coupon_id=self._coupons[heard.coupon_id])
        for happened in self.trial.happens(heard):
            self._happened(each, happened)

    def _happened(self, each: Happening, happened: Happened) -> None:
        self._count(happened.decision.effects)
        assert happened.decision.program is not None
        off = sum(one.amount for one in happened.decision.program.discounts)
        self.counts[Line.OFF] += int(off * 100)
        for effect in happened.decision.effects:
            if isinstance(effect, GrantCoupon) and isinstance(each, Joins | Redeems):
                self._named(each.coupon, effect)

    def _named(self, name: str, made: GrantCoupon) -> None:
        id_ = str(UUID(int=len(self._coupons)))
        self._coupons[id_] = made.coupon_id
        self._news.named(name, id_)
        self._news.shown(id_, display(made.code, made.code_prefix))

    def _count(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self.counts.update(_lines(effect))


def _lines(effect: Any) -> dict[Line, int]:
    match effect:
        case Post(kind=EntryKind.SPENT):
            is_bought = effect.source.kind is SourceKind.REDEMPTION
            return {Line.REDEEMED if is_bought else Line.PAID: -effect.points}
        case Post():
            return {_POINTS[effect.kind]: abs(effect.points)}
        case GrantCoupon():
            is_bought = effect.source.kind is SourceKind.REDEMPTION
            return {Line.COUPONS: 1, Line.BOUGHT: int(is_bought)}
        case DeclineReward():
            return {Line.REFUSED: 1}
        case ChangeCoupon(step=Step.REDEEMED):
            return {Line.USED: 1}
        case ChangeCoupon(step=Step.REINSTATED):
            return {Line.REINSTATED: 1}
        case ChangeCoupon(step=Step.CANCELLED, reason="redemption_undone"):
            return {Line.UNDONE: 1}
        case _:
            return {}


assert REDEMPTION_UNDONE == "redemption_undone"
