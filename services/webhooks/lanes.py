"""How much of the way each partner's system takes: attempts under way, and how many may be begun now.

All lanes together have `MOST_IN_FLIGHT`. Half of that is for those whose system answers: one that hangs, or has just
let an attempt run out of time, gets room only while less than half is taken. So receivers that hang slow nobody else
down, however many there are.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from services.domain.webhooks.answers import AttemptError
from services.domain.webhooks.webhook import Webhook

MOST_IN_FLIGHT = 200
SLOW_AFTER_SECONDS = 2.0
"""An attempt that has had no answer for so long makes its lane a slow one."""
WINDOW_SECONDS = 1.0


@dataclass(slots=True)
class Lane:
    """Of one partner. Instants are monotonic."""

    began_at: dict[int, float] = field(default_factory=dict)
    begun_lately: deque[float] = field(default_factory=deque)
    ran_out_of_time: bool = False

    def is_slow(self, now: float) -> bool:
        """Its system does not answer, or did not the last time."""
        first = next(iter(self.began_at.values()), now)
        return self.ran_out_of_time or now - first > SLOW_AFTER_SECONDS

    def room(self, webhook: Webhook, now: float) -> int:
        """How many may be begun by its own limits."""
        room = webhook.max_in_flight - len(self.began_at)
        if webhook.max_per_second is not None:
            while self.begun_lately and now - self.begun_lately[0] >= WINDOW_SECONDS:
                self.begun_lately.popleft()
            room = min(room, webhook.max_per_second - len(self.begun_lately))
        return max(room, 0)


class Lanes:
    """All of them."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}
        self._last = 0

    @property
    def in_flight(self) -> int:
        """Attempts that are under way."""
        return sum(len(lane.began_at) for lane in self._lanes.values())

    def rooms(self, webhooks: dict[int, Webhook]) -> dict[int, int]:
        """How many of each of these partners may be begun now, in this order; none of those that have no room."""
        now, free = time.monotonic(), MOST_IN_FLIGHT - self.in_flight
        rooms = {}
        for partner_id, webhook in webhooks.items():
            lane = self._lanes.get(partner_id) or Lane()
            most = free - MOST_IN_FLIGHT // 2 if lane.is_slow(now) else free
            room = min(lane.room(webhook, now), most)
            if room > 0:
                rooms[partner_id] = room
                free -= room
        return rooms

    def begin(self, partner_id: int) -> int:
        """One more is under way; its number, by which it is ended."""
        lane = self._lanes.setdefault(partner_id, Lane())
        self._last += 1
        lane.began_at[self._last] = time.monotonic()
        lane.begun_lately.append(time.monotonic())
        return self._last

    def end(self, partner_id: int, number: int, error: AttemptError | None) -> None:
        """It has ended, with this error if any."""
        lane = self._lanes[partner_id]
        lane.began_at.pop(number, None)
        lane.ran_out_of_time = error is AttemptError.TIMEOUT
        while len(lane.begun_lately) > MOST_IN_FLIGHT:
            lane.begun_lately.popleft()
