"""Apply the rules to a batch: each customer's events in one order, every event seeing the ones before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.domain.arrival import CustomerKey, Incoming, LockedCustomer, Verdict
from services.domain.coupons.effects import IssueCoupon
from services.domain.coupons.issuing import Draw, Quota
from services.domain.coupons.stock import NO_STOCK, Stock, left_after
from services.domain.decide import decide, is_from_the_future
from services.domain.decision import Decision, state_after
from services.domain.events import CustomerDescribed, Event, OrderPlaced
from services.domain.profiles import Describe
from services.domain.program import Program
from services.domain.purchases import CountOrder, Purchase
from services.domain.referrals import Others
from services.domain.stamps import AddStamp, Stamp, Stamps, laid_over
from services.domain.state import NEW_CUSTOMER, CustomerState, moves_account
from services.domain.values import replaced


@dataclass(slots=True, kw_only=True)
class Shared:
    """What customers' events of one batch say that is asked of other customers too.

    `stamped`, by partner and order: in which games a stamp was given for it, to whom and on which card. `counted`: the
    orders that have earned, and whose they are. `registered`: who has.
    """

    stamped: dict[tuple[int, str], dict[int, tuple[CustomerKey, int]]] = field(default_factory=dict)
    counted: dict[tuple[int, str], CustomerKey] = field(default_factory=dict)
    registered: set[CustomerKey] = field(default_factory=set)

    def note(self, customer: CustomerKey, decision: Decision) -> None:
        """Keep what this decision says."""
        for effect in decision.effects:
            match effect:
                case AddStamp():
                    order = self.stamped.setdefault((customer[0], effect.order_id), {})
                    order[effect.game_id] = (customer, effect.card_no)
                case CountOrder():
                    self.counted[customer[0], effect.purchase.order_id] = customer
                case Describe(registers=True):
                    self.registered.add(customer)
                case _:
                    pass

    def seen_by(self, event: Event, state: CustomerState) -> CustomerState:
        """The state with what other customers' events have said of the order that this one places, and its referrer."""
        match event:
            case OrderPlaced():
                if self.stamped:
                    state = self._with_stamps(event, state)
                return self._with_purchase(event, state) if self.counted else state
            case CustomerDescribed() if self.registered:
                known = frozenset(
                    id for partner, id in self.registered if partner == event.partner_id
                )
                others = Others(registered=state.others.registered | known)
                return replaced(state, others=others)
            case _:
                return state

    def _with_stamps(self, event: OrderPlaced, state: CustomerState) -> CustomerState:
        others = {
            (event.order_id, game_id): Stamp(card_no=card_no, is_mine=False)
            for game_id, (customer, card_no) in self.stamped.get(
                (event.partner_id, event.order_id), {}
            ).items()
            if customer[1] != event.customer_id
        }
        if not others:
            return state
        return replaced(state, stamps=laid_over(state.stamps, Stamps(of_orders=others)))

    def _with_purchase(self, event: OrderPlaced, state: CustomerState) -> CustomerState:
        owner = self.counted.get((event.partner_id, event.order_id))
        if owner is None or owner[1] == event.customer_id:
            return state
        theirs = Purchase(order_id=event.order_id, is_mine=False)
        by_id = {event.order_id: theirs, **state.purchases.by_id}
        return replaced(state, purchases=replaced(state.purchases, by_id=by_id))


class RuleFailed(Exception):
    """The rules raised on an event: a bug, or a record the rules cannot stand. Stage `decide`."""


def decide_batch(
    arrivals: Sequence[Incoming],
    program: Program,
    states: Mapping[CustomerKey, CustomerState],
    customers: Mapping[CustomerKey, LockedCustomer],
    quota: Quota,
    draws: Sequence[Sequence[Draw]],
    stock: Stock = NO_STOCK,
) -> tuple[list[Verdict], list[Incoming]]:
    """Decide events that stand in deciding order, each (source, id) once.

    `draws`: for each event as many as it needs. `stock` of the groups that they may earn coupons of.

    Returns the verdicts in that order, and the events whose own time lies too far in the future to be judged. Those
    do not use up their id: a repeat of one is judged by itself.
    """
    verdicts: list[Verdict] = []
    too_early: list[Incoming] = []
    decided: set[tuple[str, str]] = set()
    folded = dict(states)
    left = dict(quota)
    shared = Shared()
    to_come = Counter(incoming.customer for incoming in arrivals)
    for incoming, mine in zip(arrivals, draws, strict=True):
        event, customer = incoming.event, incoming.customer
        to_come[customer] -= 1
        if incoming.identity in decided:
            continue
        locked = customers[customer]
        if is_from_the_future(event, locked.at):
            too_early.append(incoming)
            continue
        state = folded.get(customer, NEW_CUSTOMER)
        state = shared.seen_by(event, state)
        try:
            decision = decide(event, program, state, left, at=locked.at, draws=mine, stock=stock)
            has_moved = moves_account(decision.effects)
            # The state of a customer's last event is nobody's business, unless an account is to be written.
            if to_come[customer] or has_moved:
                state = folded[customer] = state_after(state, decision)
        except Exception as error:
            raise RuleFailed(f"{type(error).__name__}: {error}") from error
        decided.add(incoming.identity)
        verdict = Verdict(
            incoming=incoming,
            decision=decision,
            customer_no=locked.number,
            after=state if has_moved else None,
        )
        verdicts.append(verdict)
        shared.note(customer, decision)
        if left:
            for game_id, count in issued_by_game([verdict], left).items():
                left[game_id] -= count
        if stock:
            stock = left_after(stock, customer[0], decision.effects)
    return verdicts, too_early


def issued_by_game(verdicts: Iterable[Verdict], games: Container[int]) -> dict[int, int]:
    """Coupons that these verdicts issue, by id of one of these games."""
    return dict(
        Counter(
            effect.game_id
            for verdict in verdicts
            for effect in verdict.decision.effects
            if isinstance(effect, IssueCoupon) and effect.game_id in games
        )
    )
