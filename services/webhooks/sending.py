"""Begin what is due, send it, write what comes of it: one process, as long as it has the turn.

Nothing is lost by stopping anywhere: what is under way then counts as interrupted for whoever sends next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import asyncpg

from services.adapters.postgres import deliveries
from services.adapters.postgres.clock import clock, own_clock
from services.adapters.secrets import Secrets
from services.adapters.webhook_sending import Sender
from services.domain.webhooks.answers import DeliveryKind
from services.domain.webhooks.rendering import rendered
from services.domain.webhooks.webhook import Webhook
from services.runtime.crashpoints import reach
from services.runtime.settings import Settings
from services.webhooks import metrics
from services.webhooks.claiming import Begun, claim
from services.webhooks.configured import Trouble, webhooks_now
from services.webhooks.lanes import Lanes
from services.webhooks.turns import Turn
from services.webhooks.writing import Ended, end_interrupted, write

LONGEST_WAIT_SECONDS = 0.5
"""Between two looks at what is due, and at what was configured meanwhile."""
GATHER_SECONDS = 0.005
"""After an attempt has ended, so that those that end together are written, and followed, together."""
SHORTEST_WAIT_SECONDS = 0.05
"""Where something is due that has no room yet."""
WRITTEN_TOGETHER = 100
STOP_SECONDS = 20.0
"""What is under way has this long to end when the process stops."""

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Sending:
    """One turn of this process. `worked` is called whenever the database has answered."""

    settings: Settings
    secrets: Secrets
    sender: Sender
    turn: Turn
    claiming: asyncpg.Connection
    writing: asyncpg.Connection
    stopping: asyncio.Event
    worked: Callable[[], None]
    trouble: Trouble
    _lanes: Lanes = field(default_factory=Lanes)
    _revisions: dict[int, int] = field(default_factory=dict)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _ended: list[Ended] = field(default_factory=list)
    _some_ended: asyncio.Event = field(default_factory=asyncio.Event)
    _is_writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _failure: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    async def run(self) -> None:
        """Until told to stop. Raises what an outage raises, and what a bug raises."""
        interrupted = await end_interrupted(self.claiming, self.settings)
        log.info("sending", extra={"interrupted": interrupted})
        writer = asyncio.ensure_future(self._write_until_cancelled())
        try:
            while not self.stopping.is_set():
                self.turn.wake.clear()
                seconds = await self._begin_due()
                self.worked()
                await self._idle(seconds, writer)
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=STOP_SECONDS)
            await self._write_ended()
        finally:
            tasks = {writer, *self._under_way}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _idle(self, seconds: float, writer: asyncio.Task[None]) -> None:
        """Wait to be woken or told to stop, but not for longer. Raises what the work beside this has raised."""
        reasons = [asyncio.ensure_future(event.wait()) for event in (self.turn.wake, self.stopping)]
        ends: list[asyncio.Future[object]] = [*reasons, writer, self._failure]  # type: ignore[list-item]
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for reason in reasons:
            reason.cancel()
        for end in (writer, self._failure):
            if end.done():
                end.result()

    async def _begin_due(self) -> float:
        """Begin what is due and has room; the seconds until there may be more."""
        await self._settle_what_changed()
        waiting = await deliveries.waiting_partners(self.claiming, self.settings.clock_offset)
        due = [row["partner_id"] for row in waiting if row["due_at"] <= row["now"]]
        later = [row["due_at"] - row["now"] for row in waiting if row["due_at"] > row["now"]]
        seconds = min((each.total_seconds() for each in later), default=LONGEST_WAIT_SECONDS)
        if due:
            webhooks = await self._webhooks(due)
            rooms = self._lanes.rooms(webhooks)
            if rooms:
                begun = await claim(self.claiming, rooms, webhooks, waiting[0]["now"])
                reach("webhooks.after_begin")
                for one in begun:
                    self._send(one)
            seconds = SHORTEST_WAIT_SECONDS
        return min(max(seconds, 0.001), LONGEST_WAIT_SECONDS)

    async def _webhooks(self, partner_ids: list[int]) -> dict[int, Webhook]:
        """Of those that are called now, in this order; what the others would have been told is held."""
        found = await webhooks_now(self.claiming, partner_ids, self.secrets, self.trouble)
        for partner_id in partner_ids:
            webhook = found.get(partner_id)
            if (webhook is None or not webhook.is_active) and partner_id not in self.trouble:
                await self._settle(partner_id, webhook)
        return {partner_id: one for partner_id, one in found.items() if one.is_active}

    async def _settle_what_changed(self) -> None:
        """Hold what a new configuration does not send, let go what it sends."""
        now = await deliveries.configured(self.claiming)
        changed = [each for each, revision in now.items() if self._revisions.get(each) != revision]
        if changed:
            found = await webhooks_now(self.claiming, changed, self.secrets, self.trouble)
            for partner_id in changed:
                if partner_id not in self.trouble:
                    await self._settle(partner_id, found.get(partner_id))
                    self._revisions[partner_id] = now[partner_id]

    async def _settle(self, partner_id: int, webhook: Webhook | None) -> None:
        more = True
        while more:
            async with self.claiming.transaction():
                at = await clock(self.claiming, self.settings.clock_offset)
                more = await deliveries.settle_partner(self.claiming, partner_id, webhook, at)

    def _send(self, begun: Begun) -> None:
        task = asyncio.ensure_future(self._attempt(begun))
        self._under_way.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self._failure.done():
            self._failure.set_exception(error)

    async def _attempt(self, begun: Begun) -> None:
        """Send it, and hand over what came of it."""
        webhook = begun.webhook
        is_cancellation = begun.kind is DeliveryKind.CANCELLED
        request = rendered(
            webhook,
            begun.coupon,
            id=begun.id,
            at=own_clock(),
            url=webhook.cancel_url if is_cancellation else None,
        )
        number = self._lanes.begin(begun.partner_id)
        error = None
        try:
            received = await self.sender.send(request, webhook.timeout_seconds)
            error = received.answer.error
        finally:
            self._lanes.end(begun.partner_id, number, error)
        reach("webhooks.after_send")
        metrics.SECONDS.observe(received.duration_ms / 1000)
        self._ended.append(
            Ended(begun=begun, request=request, received=received, machine_at=own_clock())
        )
        self._some_ended.set()

    async def _write_until_cancelled(self) -> None:
        while True:
            await self._some_ended.wait()
            await asyncio.sleep(GATHER_SECONDS)
            await self._write_ended()

    async def _write_ended(self) -> None:
        """All there is, and have what follows begun. Who stops waits for who is at it: they share a connection."""
        async with self._is_writing:
            while self._ended:
                self._some_ended.clear()
                some, self._ended = (
                    self._ended[:WRITTEN_TOGETHER],
                    self._ended[WRITTEN_TOGETHER:],
                )
                await write(self.writing, some, self.settings, self.secrets)
                self.turn.wake.set()
