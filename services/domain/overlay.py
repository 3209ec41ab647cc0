"""What a customer would be after decisions that nobody records: changes kept apart, and laid over what is stored.

A run in memory loads, for each batch, only what that batch's events can touch, so the changes of earlier batches
cannot be applied to a state and kept as one: each new state is loaded anew, and the changes so far go on top.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from services.domain.decision import Effect, TakeStampBack
from services.domain.state import CustomerState, evolve


def laid_over(stored: CustomerState, changes: CustomerState) -> CustomerState:
    """The stored state with the changes on top; where both know a thing, the change is newer."""
    games = stored.issues.keys() | changes.issues.keys()
    return CustomerState(
        coupons={**stored.coupons, **changes.coupons},
        foreign_codes=stored.foreign_codes,
        cards={**stored.cards, **changes.cards},
        stamps={**stored.stamps, **changes.stamps},
        reversed_orders=stored.reversed_orders | changes.reversed_orders,
        issues={
            game_id: (*changes.issues.get(game_id, ()), *stored.issues.get(game_id, ()))
            for game_id in games
        },
    )


def with_effects(
    changes: CustomerState, before: CustomerState, effects: Iterable[Effect]
) -> CustomerState:
    """The changes and those of one more decision, which was made upon `before` (see `laid_over`)."""
    effects = tuple(effects)
    # The one effect that changes what is there instead of replacing it.
    places = [(e.order_id, e.game_id) for e in effects if isinstance(e, TakeStampBack)]
    if places:
        touched = {place: before.stamps[place] for place in places}
        changes = replace(changes, stamps={**touched, **changes.stamps})
    return evolve(changes, effects)
