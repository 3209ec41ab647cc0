"""What nobody can judge now for a reason that is ours: rules or coupons that cannot be read here.

Not the record's fault: its event waits, and so does nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.domain.arrival import CustomerKey, Incoming
from services.domain.events import Event, GameCompleted, OrderPlaced

UPGRADE = "upgrade every issuer to the release that wrote it"
REPORT = "upgrade every issuer, or report it with the log: it is tried again by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadGame:
    """A game that is there and cannot be read: for what its events wait, and what somebody should do."""

    id: int
    partner_id: int
    takes_stamps: bool
    why: str
    todo: str

    def concerns(self, event: Event) -> bool:
        """Whether the event names it, or is an order that may stamp it."""
        if event.partner_id != self.partner_id:
            return False
        if isinstance(event, GameCompleted):
            return event.game_id == self.id
        return self.takes_stamps and isinstance(event, OrderPlaced)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadProgram:
    """A partner's program that cannot be read: all events of the partner wait."""

    partner_id: int
    why: str
    todo: str

    def concerns(self, event: Event) -> bool:
        """Whether it is decided by this program."""
        return event.partner_id == self.partner_id


class Unjudgeable(Exception):
    """Some events of a batch cannot be judged: roll back, let them wait, and decide the others."""

    def __init__(
        self,
        *,
        games: Iterable[UnreadGame | UnreadProgram] = (),
        coupons: Mapping[tuple[CustomerKey, int], str] | None = None,
    ) -> None:
        """`coupons`: why those of a customer in a game cannot be read."""
        self._games = tuple(games)
        self._coupons = dict(coupons or {})
        whys = [*(game.why for game in self._games), *self._coupons.values()]
        super().__init__("; ".join(whys[:3]))

    def of(self, incoming: Incoming) -> tuple[str, str] | None:
        """Why this event cannot be judged, and what to do; None: it is not concerned."""
        event = incoming.event
        for game in self._games:
            if game.concerns(event):
                return game.why, game.todo
        for (customer, game_id), why in self._coupons.items():
            if customer == incoming.customer and getattr(event, "game_id", game_id) == game_id:
                return why, UPGRADE
        return None
