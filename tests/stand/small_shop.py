"""A small shop with a program, in memory: customers do things, the rules decide, and what they have is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from services.domain.coupons.codes import codes_from, display
from services.domain.coupons.coupon import Coupon, CouponStatus
from services.domain.coupons.effects import GrantCoupon
from services.domain.coupons.issuing import Draw
from services.domain.coupons.stock import Stock, left_after
from services.domain.decide import decide
from services.domain.decision import Decision, Reason
from services.domain.events import (
    Birthday,
    Cause,
    CustomerDescribed,
    CustomerDid,
    Event,
    OrderLine,
    OrderPlaced,
    OrderReversed,
    PointsRedeemRequested,
    ReferralCompleted,
    Told,
    UndoRequested,
)
from services.domain.origins import Source, SourceKind
from services.domain.partner_program import PartnerProgram
from services.domain.points.earning import CashbackRule
from services.domain.points.ledger import spent
from services.domain.points.wallet import Post, Wallet
from services.domain.program import Program
from services.domain.referrals import Others
from services.domain.state import NEW_CUSTOMER, CustomerState, evolve
from services.domain.terms import Terms

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rule(threshold: str, points: str, score: str = "1") -> CashbackRule:
    """Threshold, wallet factor, rank factor."""
    return CashbackRule(
        threshold=Decimal(threshold), wallet_factor=Decimal(points), rank_factor=Decimal(score)
    )


BASE = PartnerProgram(
    partner_id=1,
    version=1,
    currency="EUR",
    time_zone="Europe/Vilnius",
    default_cashback=rule("1", "1"),
    value_of_point=Decimal("0.1"),
)


def line(price: str, *, quantity: int = 1, sku: str | None = None, **more: Any) -> OrderLine:
    return OrderLine(unit_price=Decimal(price), quantity=quantity, sku=sku, **more)


@dataclass(slots=True, kw_only=True)
class SmallShop:
    """One partner. What happens, happens at `START` plus so many `days`."""

    program: PartnerProgram = BASE
    states: dict[str, CustomerState] = field(default_factory=dict)
    days: float = 0
    decisions: list[Decision] = field(default_factory=list)
    stock: Stock = field(default_factory=dict)
    _numbers: Any = field(default_factory=count)

    @property
    def now(self) -> datetime:
        return START + timedelta(days=self.days)

    def state(self, customer: str = "anna") -> CustomerState:
        return self.states.get(customer, NEW_CUSTOMER)

    def wallet(self, customer: str = "anna") -> Wallet:
        return self.state(customer).wallet

    def tier_id(self, customer: str = "anna") -> int | None:
        """The tier recorded last."""
        tier = self.state(customer).standing.tier
        return None if tier is None else tier.id

    def happens(self, event: Event) -> Decision:
        """The event is decided, and the customer is what it makes of them."""
        state = self.state(event.customer_id)
        registered = {who for who, other in self.states.items() if other.profile.is_registered}
        state = replace(state, others=Others(registered=frozenset(registered)))
        drawn = [next(self._numbers) for _ in range(20)]
        draws = [
            Draw(coupon_id=f"c-{n:05}", code=codes_from((n << 8).to_bytes(10, "big"))[0])
            for n in drawn
        ]
        partners = {self.program.partner_id: self.program}
        decision = decide(
            event, Program(partners=partners), state, {}, at=self.now, draws=draws, stock=self.stock
        )
        self.stock = left_after(self.stock, 1, decision.effects)
        after = self.states[event.customer_id] = evolve(state, decision.effects)
        assert decision.after is None or decision.after == after, "followed elsewhere"
        self.decisions.append(decision)
        return decision

    def order(self, total: str, *, customer: str = "anna", order_id: str = "", **more: Any) -> int:
        """The points that it earns by rate."""
        number = order_id or f"o-{next(self._numbers)}"
        more.setdefault("currency", "EUR")
        lines = more.pop("lines", None) or (line(total),)
        self.happens(
            OrderPlaced(
                **self._of(customer, "order.placed"),
                order_id=number,
                shop_id=more.pop("shop_id", None),
                coupon_codes=tuple(more.pop("codes", ())),
                product_ids=frozenset(),
                total=Decimal(total),
                lines=tuple(lines),
                **more,
            )
        )
        found = self.state(customer).purchases.by_id.get(number)
        return found.points if found is not None else 0

    def refund(self, total: str | None, order_id: str, *, customer: str = "anna") -> int:
        """The points that the balance falls by."""
        before = self.wallet(customer).balance
        self.happens(
            OrderReversed(
                **self._of(customer, "order.cancelled" if total is None else "order.refunded"),
                order_id=order_id,
                refunded_total=None if total is None else Decimal(total),
            )
        )
        return before - self.wallet(customer).balance

    def register(self, customer: str, *, referred_by: str | None = None, **told: Any) -> Decision:
        return self.happens(
            CustomerDescribed(
                **self._of(customer, "customer.created"),
                registers=True,
                told=Told(**told, given=frozenset(told)),
                referred_by=referred_by,
            )
        )

    def did(self, name: str, *, customer: str = "anna", **metadata: Any) -> Decision:
        return self.happens(
            CustomerDid(**self._of(customer, "customer.event"), name=name, metadata=metadata)
        )

    def friend_came(self, friend: str, *, customer: str = "anna") -> Decision:
        return self.happens(
            ReferralCompleted(**self._of(customer, "referral.completed"), friend_id=friend)
        )

    def birthday(self, year: int, *, customer: str = "anna") -> Decision:
        return self.happens(Birthday(**self._of(customer, "customer.birthday"), year=year))

    def entries(self) -> list[Post]:
        """Of the last decision."""
        return [each for each in self.decisions[-1].effects if isinstance(each, Post)]

    def spend(self, points: int, *, customer: str = "anna") -> None:
        state = self.state(customer)
        source = Source(SourceKind.REDEMPTION, "1")
        entry = spent(state.wallet, points, source=source, at=self.now)
        self.states[customer] = evolve(state, [entry])

    def redeem(
        self, rule_id: int, points: int | None = None, *, customer: str = "anna"
    ) -> Reason | GrantCoupon:
        """Points into a coupon, or why there is none."""
        decision = self.happens(
            PointsRedeemRequested(
                **self._of(customer, "points.redeem-requested"), rule_id=rule_id, points=points
            )
        )
        if decision.reason is not None:
            return decision.reason
        return next(each for each in decision.effects if isinstance(each, GrantCoupon))

    def undo(self, coupon_id: str, *, customer: str = "anna") -> Reason | None:
        """None if the points are back."""
        wanted = UndoRequested(**self._of(customer, "points.undo-requested"), coupon_id=coupon_id)
        return self.happens(wanted).reason

    def given(self, terms: Terms, *, customer: str = "anna") -> Coupon:
        """A coupon of these terms that the customer holds."""
        number = next(self._numbers)
        coupon = a_coupon(terms, f"g-{number:05}", number, self.now)
        state = self.state(customer)
        coupons = replace(state.coupons, by_id={**state.coupons.by_id, coupon.id: coupon})
        self.states[customer] = replace(state, coupons=coupons)
        return coupon

    def coupon(self, coupon: Coupon, *, customer: str = "anna") -> Coupon:
        """As it stands now."""
        return self.state(customer).coupons.by_id[coupon.id]

    def _of(self, customer: str, type_: str) -> dict[str, Any]:
        cause = Cause(source="/shop", id=f"e-{next(self._numbers)}", type=type_)
        return {
            "cause": cause, "occurred_at": self.now, "partner_id": 1, "customer_id": customer,
        }  # fmt: skip


def a_coupon(terms: Terms, coupon_id: str, number: int, at: datetime) -> Coupon:
    return Coupon(
        id=coupon_id,
        code=codes_from(((10**6 + number) << 8).to_bytes(10, "big"))[0],
        code_prefix="",
        game_id=None,
        status=CouponStatus.ACTIVE,
        issued_at=at,
        expires_at=terms.ends(at),
        holds_single_place=False,
        source=Source(SourceKind.CAMPAIGN, "1"),
        terms=terms,
    )


def shown(coupon: Coupon) -> str:
    return display(coupon.code, coupon.code_prefix)
