"""Apply the rules to a batch: each customer's events in one order, every event seeing the ones before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.domain.arrival import CustomerKey, Incoming, LockedCustomer, Verdict
from services.domain.decide import (
    NEW_CUSTOMER,
    CustomerState,
    Draw,
    decide,
    evolve,
    is_from_the_future,
)
from services.domain.program import Program


class RuleFailed(Exception):
    """The rules raised on an event: a bug, or a record the rules cannot stand. Stage `decide`."""


def decide_batch(
    arrivals: Iterable[tuple[Incoming, Draw]],
    program: Program,
    states: Mapping[CustomerKey, CustomerState],
    customers: Mapping[CustomerKey, LockedCustomer],
) -> tuple[list[Verdict], list[Incoming]]:
    """Decide events that stand in deciding order, each (source, id) once.

    Returns the verdicts in that order, and the events whose own time lies too far in the future to be judged. Those
    do not use up their id: a repeat of one is judged by itself.
    """
    verdicts: list[Verdict] = []
    too_early: list[Incoming] = []
    decided: set[tuple[str, str]] = set()
    folded = dict(states)
    for incoming, draw in arrivals:
        if incoming.identity in decided:
            continue
        event, customer = incoming.event, incoming.customer
        locked = customers[customer]
        if is_from_the_future(event, locked.at):
            too_early.append(incoming)
            continue
        state = folded.get(customer, NEW_CUSTOMER)
        try:
            decision = decide(event, program, state, at=locked.at, draw=draw)
            folded[customer] = evolve(state, decision.effects)
        except Exception as error:
            raise RuleFailed(f"{type(error).__name__}: {error}") from error
        decided.add(incoming.identity)
        verdicts.append(
            Verdict(
                incoming=incoming,
                decision=decision,
                game=program.game_of(event.partner_id, event.game_id),
                customer_no=locked.number,
            )
        )
    return verdicts, too_early
