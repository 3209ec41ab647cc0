"""Apply the rules to a batch: each customer's events in one order, every event seeing the ones before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from services.domain.arrival import CustomerKey, Incoming, LockedCustomer, Verdict
from services.domain.coupons.effects import IssueCoupon
from services.domain.coupons.issuing import Draw, Quota
from services.domain.decide import decide, is_from_the_future
from services.domain.decision import Decision
from services.domain.events import Event, OrderPlaced
from services.domain.program import Program
from services.domain.stamps import AddStamp, Stamp, Stamps, laid_over
from services.domain.state import NEW_CUSTOMER, CustomerState, evolve

StampedOrders = dict[tuple[int, str], dict[int, tuple[CustomerKey, int]]]
"""By partner and order: in which games a stamp was given for it, to whom and on which card."""


class RuleFailed(Exception):
    """The rules raised on an event: a bug, or a record the rules cannot stand. Stage `decide`."""


def decide_batch(
    arrivals: Sequence[Incoming],
    program: Program,
    states: Mapping[CustomerKey, CustomerState],
    customers: Mapping[CustomerKey, LockedCustomer],
    quota: Quota,
    draws: Sequence[Sequence[Draw]],
) -> tuple[list[Verdict], list[Incoming]]:
    """Decide events that stand in deciding order, each (source, id) once.

    `draws`: for each event as many as it needs.

    Returns the verdicts in that order, and the events whose own time lies too far in the future to be judged. Those
    do not use up their id: a repeat of one is judged by itself.
    """
    verdicts: list[Verdict] = []
    too_early: list[Incoming] = []
    decided: set[tuple[str, str]] = set()
    folded = dict(states)
    left = dict(quota)
    stamped: StampedOrders = {}
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
        state = with_stamps_of_others(state, event, stamped)
        try:
            decision = decide(event, program, state, left, at=locked.at, draws=mine)
            # The state of a customer's last event is nobody's business.
            if to_come[customer]:
                folded[customer] = evolve(state, decision.effects)
        except Exception as error:
            raise RuleFailed(f"{type(error).__name__}: {error}") from error
        decided.add(incoming.identity)
        verdict = Verdict(incoming=incoming, decision=decision, customer_no=locked.number)
        verdicts.append(verdict)
        note_stamps(stamped, customer, decision)
        if left:
            for game_id, count in issued_by_game([verdict], left).items():
                left[game_id] -= count
    return verdicts, too_early


def note_stamps(stamped: StampedOrders, customer: CustomerKey, decision: Decision) -> None:
    """Keep what an order has stamped, for whoever tells of the same order as somebody else's."""
    for effect in decision.effects:
        if isinstance(effect, AddStamp):
            order = stamped.setdefault((customer[0], effect.order_id), {})
            order[effect.game_id] = (customer, effect.card_no)


def with_stamps_of_others(
    state: CustomerState, event: Event, stamped: StampedOrders
) -> CustomerState:
    """The state with what other customers' events have stamped for the order that this one places."""
    if not stamped or not isinstance(event, OrderPlaced):
        return state
    others = {
        (event.order_id, game_id): Stamp(card_no=card_no, is_mine=False)
        for game_id, (customer, card_no) in stamped.get(
            (event.partner_id, event.order_id), {}
        ).items()
        if customer[1] != event.customer_id
    }
    if not others:
        return state
    return replace(state, stamps=laid_over(state.stamps, Stamps(of_orders=others)))


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
