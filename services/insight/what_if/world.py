"""One world: a game's history decided under one set of rules, in order, everything it remembers in memory.

`services.domain.decide.decide` makes every decision and `evolve` says what follows from it; here is only what they are
given: the event, the rules in force, the customer as this world has left him.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import heappop, heappush
from struct import iter_unpack, pack
from typing import NamedTuple

from services.domain.closed_orders import ClosedOrders
from services.domain.coupons.coupon import OPEN_STATUSES
from services.domain.coupons.effects import DeclineIssuance, IssueCoupon
from services.domain.coupons.held import Coupons
from services.domain.coupons.issuing import Draw
from services.domain.decide import decide
from services.domain.decision import Decision
from services.domain.events import Cause, Event, GameCompleted, OrderPlaced, OrderReversed
from services.domain.program import Game, Program
from services.domain.stamps import AddStamp, Stamp, StampCard, Stamps
from services.domain.state import NEW_CUSTOMER, CustomerState, evolve
from services.insight.what_if.history import Happened, cancellation, real_steps
from services.insight.what_if.holdings import (
    Holdings,
    Moment,
    after,
    begun,
    caught_up,
    instant_of,
    microseconds,
    packed,
    unpacked,
)
from services.insight.what_if.rules import Rules

ISSUED = "issued"
PLACED = "order.placed"

Bought = Callable[[Happened, Game], frozenset[int]]
"""The products of an order, as far as this game asks for them."""

NEVER = 2**63 - 1
"""Later than any instant, in microseconds."""

_CAUSE = Cause(source="", id="", type="")
_CUSTOMER = ""
"""Of every event here: nobody is told of what is decided, and the state given says whose it is."""


class Answer(NamedTuple):
    """What became of an event: `issued`, a reason, or None for an order that completed nothing."""

    outcome: str | None
    blocked_by: str | None = None
    is_stamped: bool = False


@dataclass(slots=True, kw_only=True)
class Cards:
    """What orders leave behind: who reversed which, each order's stamp, each customer's card."""

    reversals: set[tuple[str, int]]
    stamps: dict[str, tuple[int, int, bool]]
    filling: dict[int, tuple[int, int]]


class World:
    """Takes decisions in recorded order. Remembers no more than its rules can ask for."""

    def __init__(self, rules: Rules, partner_id: int, bought: Bought) -> None:
        self._rules = rules
        self._game_id = rules.game_id
        self._partner_id = partner_id
        self._bought = bought
        self._is_single = rules.is_single
        self._most_issues = rules.most_issues
        self._remembers = self._is_single or bool(self._most_issues)
        self._holdings: dict[int, bytes | Holdings] = {}
        self._issues: dict[int, bytes] = {}
        self._places_back: list[datetime] = []
        """When coupons issued here are cancelled, the next one first: a place in the total limit each."""
        self._in_place = 0
        self._cards = Cards(reversals=set(), stamps={}, filling={})
        self.coupons_issued = 0

    def decide(self, happened: Happened) -> Answer:
        """What this world answers to that event."""
        program = self._program(happened)
        game = program.games.get(self._game_id)
        limit = None if game is None else game.total_limit
        while self._places_back and self._places_back[0] <= happened.decided_at:
            heappop(self._places_back)
            self._in_place -= 1
        quota = {} if limit is None else {self._game_id: limit - self._in_place}
        holdings = self._held(happened) if self._is_single else ()
        state = self._state(happened, holdings)
        decision = decide(
            self._event(happened, game),
            program,
            state,
            quota,
            at=happened.decided_at,
            draws=(_draw(happened),),
        )
        answer = _answer(happened, decision)
        if answer.outcome == ISSUED:
            self.coupons_issued += 1
            self._in_place += 1
            if (cancelled_at := cancellation(happened)) is not None:
                heappush(self._places_back, cancelled_at)
        if self._remembers or happened.order_id is not None:
            self._keep(happened, holdings, state, decision)
        return answer

    def _program(self, happened: Happened) -> Program:
        version = happened.rule_version
        if happened.order_id is not None:
            version = self._rules.version_at(happened.seq, happened.decided_at)
        return self._rules.program(version, happened.decided_at)

    def _event(self, happened: Happened, game: Game | None) -> Event:
        order_id = happened.order_id
        if order_id is None:
            return GameCompleted(
                cause=_CAUSE,
                occurred_at=happened.occurred_at,
                partner_id=self._partner_id,
                game_id=self._game_id,
                customer_id=_CUSTOMER,
                won=bool(happened.won),
            )
        if happened.event_type != PLACED:
            return OrderReversed(
                cause=_CAUSE,
                occurred_at=happened.occurred_at,
                partner_id=self._partner_id,
                order_id=order_id,
                customer_id=_CUSTOMER,
            )
        # Without its codes: what was redeemed stands in the coupons' history.
        return OrderPlaced(
            cause=_CAUSE,
            occurred_at=happened.occurred_at,
            partner_id=self._partner_id,
            order_id=order_id,
            customer_id=_CUSTOMER,
            shop_id=None,
            coupon_codes=(),
            product_ids=self._bought(happened, game) if game else frozenset(),
        )

    def _held(self, happened: Happened) -> Holdings:
        """The customer's coupons at this moment; what has changed by then is kept."""
        kept = self._holdings.get(happened.customer_no)
        if kept is None:
            return ()
        before = unpacked(kept, self._game_id)
        if not before[0].to_come and len(before) == 1:
            return before
        blocked_by = happened.blocking.hex() if happened.blocking else None
        moment = Moment(happened.seq, happened.decided_at, blocked_by)
        holdings = caught_up(before, moment, self._rules.game_at)
        if holdings is not before:
            self._hold(happened.customer_no, holdings)
        return holdings

    def _hold(self, customer_no: int, holdings: Holdings) -> None:
        if holdings:
            self._holdings[customer_no] = packed(holdings)
        else:
            self._holdings.pop(customer_no, None)

    def _state(self, happened: Happened, holdings: Holdings) -> CustomerState:
        """What the rules are told of the customer: as the issuer would load it."""
        past = self._issues.get(happened.customer_no) if self._most_issues else None
        if not holdings and past is None and happened.order_id is None:
            return NEW_CUSTOMER
        # A redeemed one is no business of a reversal here: its reinstatement is a real step.
        coupons = {
            holding.coupon.id: holding.coupon
            for holding in holdings
            if holding.coupon.status in OPEN_STATUSES
        }
        issues = {}
        if past is not None:
            now = microseconds(happened.decided_at)
            issues[self._game_id] = tuple(
                instant_of(issued)
                for issued, cancelled in iter_unpack("<qq", past)
                if now < cancelled
            )
        if happened.order_id is None:
            return replace(NEW_CUSTOMER, coupons=Coupons(by_id=coupons, issues=issues))
        order_id, customer_no, cards = happened.order_id, happened.customer_no, self._cards
        stamp, card = cards.stamps.get(order_id), cards.filling.get(customer_no)
        is_reversed = (order_id, customer_no) in cards.reversals
        return replace(
            NEW_CUSTOMER,
            coupons=Coupons(by_id=coupons, issues=issues),
            orders=ClosedOrders(reversed=frozenset({order_id} if is_reversed else ())),
            stamps=Stamps(
                of_orders=(
                    {(order_id, self._game_id): _stamp(stamp, customer_no)} if stamp else {}
                ),
                cards=({self._game_id: StampCard(card_no=card[0], stamps=card[1])} if card else {}),
            ),
        )

    def _keep(
        self, happened: Happened, holdings: Holdings, state: CustomerState, decision: Decision
    ) -> None:
        """What later events can come upon."""
        if all(isinstance(effect, DeclineIssuance) for effect in decision.effects):
            return
        customer_no = happened.customer_no
        for effect in decision.effects:
            if isinstance(effect, IssueCoupon) and self._most_issues:
                self._issues[customer_no] = self._with_issue(effect.issued_at, happened)
        if not holdings and happened.order_id is None:
            # Nearly everybody's first coupon; what follows costs as much as deciding.
            (first,) = decision.effects
            assert isinstance(first, IssueCoupon)
            if self._is_single and (kept := begun(first, real_steps(happened))):
                self._holdings[customer_no] = kept
            return
        new = evolve(state, decision.effects)
        if self._is_single:
            self._hold(customer_no, after(holdings, new.coupons.by_id, real_steps(happened)))
        if (order_id := happened.order_id) is None:
            return
        cards = self._cards
        if order_id in new.orders.reversed:
            cards.reversals.add((order_id, customer_no))
        stamp = new.stamps.of_orders.get((order_id, self._game_id))
        if stamp is not None and stamp.is_mine:
            cards.stamps[order_id] = (customer_no, stamp.card_no, stamp.is_in_effect)
        if (card := new.stamps.cards.get(self._game_id)) is not None:
            cards.filling[customer_no] = (card.card_no, card.stamps)

    def _with_issue(self, issued_at: datetime, happened: Happened) -> bytes:
        """The customer's issues, newest first, each with the instant of its cancellation; as many as limits look at."""
        cancelled_at = cancellation(happened)
        cancelled = NEVER if cancelled_at is None else microseconds(cancelled_at)
        past = self._issues.get(happened.customer_no, b"")
        kept, counted = b"", 0
        for issue in iter_unpack("<qq", pack("<qq", microseconds(issued_at), cancelled) + past):
            if counted == self._most_issues:
                break
            kept += pack("<qq", *issue)
            counted += issue[1] == NEVER
        return kept


def _draw(happened: Happened) -> Draw:
    """The recorded coupon's id, so that a coupon of both worlds is one; else one that no coupon has."""
    coupon = happened.coupon or happened.seq.to_bytes(16, "big")
    return Draw(coupon_id=coupon.hex(), code="")


def _stamp(kept: tuple[int, int, bool], customer_no: int) -> Stamp:
    whose, card_no, is_in_effect = kept
    return Stamp(card_no=card_no, is_mine=whose == customer_no, is_in_effect=is_in_effect)


def _answer(happened: Happened, decision: Decision) -> Answer:
    if happened.order_id is None:
        return Answer(decision.reason or ISSUED, decision.blocking_coupon_id)
    is_stamped, outcome, blocked_by = False, None, None
    for effect in decision.effects:
        if isinstance(effect, AddStamp):
            is_stamped = True
        elif isinstance(effect, IssueCoupon):
            outcome = ISSUED
        elif isinstance(effect, DeclineIssuance):
            outcome, blocked_by = effect.reason.value, effect.blocking_coupon_id
    return Answer(outcome, blocked_by, is_stamped)
