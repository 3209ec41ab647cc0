"""An order: its codes, the cards that it stamps, what it earns under the partner's program, and what that sets off.

Each step sees what the ones before it did: a code redeemed by an order frees the single place that the card filled by
the same order then takes. Tier and tags stay those before the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.domain.campaigns import UNMULTIPLIED, multiplied
from services.domain.coupons.effects import IssueCoupon
from services.domain.coupons.issuing import Draw, Quota
from services.domain.coupons.stock import Stock
from services.domain.course import Course
from services.domain.decision import (
    CodeOutcome,
    CodeReason,
    CodeResult,
    Decision,
    OrderReason,
    Outcome,
)
from services.domain.events import OrderPlaced
from services.domain.exact import ZERO, minus
from services.domain.order_codes import Redeemed, redeem_codes
from services.domain.origins import Source, SourceKind
from services.domain.points.earning import earned_by
from services.domain.points.ledger import Earning
from services.domain.program import Program
from services.domain.promotion import settled
from services.domain.purchases import CountOrder, NoteRefund, NoteUse, Purchase
from services.domain.referrals import ReferralResult
from services.domain.reversals import take_back
from services.domain.stamps import add_stamp, stamped_games
from services.domain.state import CustomerState
from services.domain.triggering import (
    NOTHING_SET_OFF,
    Happening,
    SetOff,
    multipliers,
    refer,
    set_off,
)
from services.domain.triggers import PLACE_ORDER, Value

_ONCE: Final = UNMULTIPLIED.by.cut(6)


def decide_order_placed(
    event: OrderPlaced,
    program: Program,
    state: CustomerState,
    quota: Quota,
    *,
    at: datetime,
    draws: Sequence[Draw],
    stock: Stock,
) -> Decision:
    """Codes, stamps, points, campaigns, referral, tier: of an order that was not reversed before it came."""
    partner = program.of_partner(event.partner_id)
    known = state.purchases.by_id.get(event.order_id)
    noted = state.purchases.refunded_before.get(event.order_id)
    refunded = noted or ZERO
    is_reversed = event.order_id in state.orders.reversed
    course = Course(partner, state, at=at, draws=draws, stock=stock)
    is_mine = known is not None and known.is_mine
    if known.is_closed if known is not None and is_mine else is_reversed and noted is None:
        return _already_reversed(course, event)
    redeemed = redeem_codes(course, event, games_are_closed=is_reversed)
    amount = worth_of(event, redeemed)
    if known is None and 0 < refunded >= amount:
        course = Course(partner, state, at=at, draws=draws, stock=stock)
        course.add(NoteRefund(order_id=event.order_id, refunded=refunded, closes=True))
        return _already_reversed(course, event)
    issue = None if is_reversed else _stamp_cards(course, event, program, quota)
    reason, done, referral = _earn(course, event, redeemed, amount, refunded)
    if reason is not None and redeemed.discounts and not is_mine:
        course.add(NoteUse(order_id=event.order_id, amount=amount))
    answer = settled(course, done.results, redeemed.discounts, referral)
    return Decision(
        outcome=Outcome.RECORDED,
        decided_at=at,
        reason=reason,
        rule_version=issue.rule_version if issue else None,
        coupon_id=issue.coupon_id if issue else None,
        codes=redeemed.results,
        effects=tuple(course.effects),
        program=answer,
        after=course.state.now(),
    )


def _already_reversed(course: Course, event: OrderPlaced) -> Decision:
    """Nothing but what time has done."""
    reason = CodeReason.ORDER_ALREADY_REVERSED
    answer = settled(course)
    return Decision(
        outcome=Outcome.RECORDED,
        decided_at=course.at,
        reason=OrderReason.ORDER_ALREADY_REVERSED,
        codes=tuple(
            CodeResult(code=code, outcome=CodeOutcome.REFUSED, reason=reason)
            for code in event.coupon_codes
        ),
        effects=tuple(course.effects),
        program=answer,
        after=course.state.now(),
    )


def _stamp_cards(
    course: Course, event: OrderPlaced, program: Program, quota: Quota
) -> IssueCoupon | None:
    """Stamp every game the order qualifies for; the first coupon that a full card earned."""
    state, left = course.state, dict(quota)
    first = None
    for game in stamped_games(event, program, state.stamps):
        stamping = add_stamp(
            game, event, state.stamps, state.coupons, left, at=course.at, draw=course.draw()
        )
        course.add(*stamping)
        if isinstance(stamping[-1], IssueCoupon):
            first = first or stamping[-1]
            if game.id in left:
                left[game.id] -= 1
    return first


def _earn(
    course: Course, event: OrderPlaced, redeemed: Redeemed, amount: Decimal, refunded: Decimal
) -> tuple[OrderReason | None, SetOff, ReferralResult | None]:
    """What the order earns and sets off, once for ever and in the program's currency; or why it earns nothing."""
    partner = course.program
    if partner is None:
        return None, NOTHING_SET_OFF, None
    if event.order_id in course.state.purchases.by_id:
        return OrderReason.ORDER_ALREADY_COUNTED, NOTHING_SET_OFF, None
    if partner.currency not in {None, event.currency}:
        return OrderReason.CURRENCY_MISMATCH, NOTHING_SET_OFF, None
    happening = happening_of(event, course, redeemed, amount)
    multiplication = multiplied(multipliers(course, happening), event.lines)
    earned = earned_by(
        amount,
        partner.rates_of(course.tier, course.state.profile),
        shop_id=event.shop_id,
        multiplier=multiplication.by,
    )
    entry = course.earn(
        Earning(
            source=Source(SourceKind.ORDER, event.order_id),
            points=earned.points,
            score=earned.score,
            spent=amount,
            orders=1,
            order_id=event.order_id,
            base_points=earned.base_points,
            factor=_ONCE if multiplication is UNMULTIPLIED else multiplication.by.cut(6),
        )
    )
    assert entry is not None  # it counts an order, whatever it earns
    done = set_off(course, happening, multiplication.taken_of if entry.points else ())
    purchase = Purchase(
        order_id=event.order_id,
        amount=amount,
        points=entry.points,
        score=entry.score,
        entry=entry.number,
        steps=done.steps,
        achievements=done.achievements,
    )
    course.add(CountOrder(purchase=purchase))
    if refunded:
        take_back(course, purchase, refunded, closes=False)
    return None, done, refer(course, happening, event.customer_id)


def worth_of(event: OrderPlaced, redeemed: Redeemed) -> Decimal:
    """What was paid, else the goods without what this event's coupons took off them."""
    if event.paid_total is not None:
        return event.paid_total
    return max(ZERO, minus(event.total, redeemed.off_goods))


class OrderSaid(Mapping[str, Value]):
    """An order's metadata, each member worked out when it is asked for: campaigns ask for a few of them, if any."""

    __slots__ = ("amount", "event", "number", "off_goods")

    def __init__(
        self, event: OrderPlaced, number: int, amount: Decimal, off_goods: Decimal
    ) -> None:
        self.event = event
        self.number = number
        self.amount = amount
        self.off_goods = off_goods

    def __getitem__(self, name: str) -> Value:
        return _SAID[name](self)

    def __iter__(self) -> Iterator[str]:
        return iter(_SAID)

    def __len__(self) -> int:
        return len(_SAID)


_SAID: Final[Mapping[str, Callable[[OrderSaid], Value]]] = {
    "total": lambda said: said.event.total,
    "paid": lambda said: said.amount,
    "discount": lambda said: said.off_goods,
    "currency": lambda said: said.event.currency,
    "channel": lambda said: said.event.channel,
    "shop_id": lambda said: said.event.shop_id,
    "number_of_products": lambda said: sum(line.quantity for line in said.event.lines),
    "number_of_lines": lambda said: len(said.event.lines),
    "order_number": lambda said: said.number,
    "product_ids": lambda said: [line.product_id for line in said.event.lines],
    "skus": lambda said: [line.sku for line in said.event.lines],
    "collection_ids": lambda said: [
        each for line in said.event.lines for each in line.collection_ids
    ],
}


def happening_of(
    event: OrderPlaced, course: Course, redeemed: Redeemed, amount: Decimal
) -> Happening:
    """The order as triggers see it."""
    return Happening(
        name=PLACE_ORDER,
        metadata=OrderSaid(event, course.state.wallet.orders + 1, amount, redeemed.off_goods),
        occurred_at=event.occurred_at,
        order_id=event.order_id,
        lines=event.lines,
    )
