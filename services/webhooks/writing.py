"""What came of attempts, written in one transaction for all that ended together: codes, deliveries, attempts.

Where that fails for one of them they are written one by one; a code that somebody else is given at the same moment is
taken when it is looked at again.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import orjson

from services.adapters.postgres import deliveries
from services.adapters.postgres.clock import clock
from services.adapters.postgres.deliveries import AttemptRow, Ending, Named
from services.adapters.postgres.failures import CONFLICTS, Errors, LostRace
from services.adapters.postgres.pool import waking_relay
from services.adapters.postgres.webhooks import webhooks_of
from services.adapters.secrets import Secrets
from services.adapters.webhook_sending import Received
from services.decisions.delivering import Given, give
from services.decisions.manner import Manner
from services.decisions.webhooks import switch_off
from services.domain.webhooks.answers import (
    AttemptError,
    Outcome,
    Verdict,
    verdict,
)
from services.domain.webhooks.rendering import Rendered
from services.domain.webhooks.schedule import pause_after, seconds_asked_for
from services.runtime.crashpoints import reach
from services.runtime.settings import Settings
from services.webhooks import metrics
from services.webhooks.claiming import Begun

TRIES = 5
RACES: Errors = (LostRace, asyncpg.UniqueViolationError, *CONFLICTS)
"""Somebody else was given the same code, or was faster."""
GONE = "410"
"""Why a webhook is switched off."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt, and what came of it; `machine_at` is when that was by the clock that answers speak of."""

    begun: Begun
    request: Rendered
    received: Received
    machine_at: datetime

    @property
    def name(self) -> Named:
        """Its delivery's."""
        return self.begun.coupon.coupon_id, self.begun.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fate:
    """What becomes of a delivery; `pause` until the next attempt, where one follows."""

    status: str
    outcome: str
    pause: float = 0.0


async def write(
    connection: asyncpg.Connection, ended: Sequence[Ended], settings: Settings, secrets: Secrets
) -> None:
    """All of them. Raises what an outage raises."""
    try:
        await _write(connection, ended, settings, secrets)
        return
    except RACES as error:
        log.info("writing one by one: %s", error)
    for one in ended:
        await _write_one(connection, one, settings, secrets)


async def _write_one(
    connection: asyncpg.Connection, one: Ended, settings: Settings, secrets: Secrets
) -> None:
    for again in reversed(range(TRIES)):
        try:
            await _write(connection, [one], settings, secrets)
            return
        except RACES:
            if not again:
                raise


async def _write(
    connection: asyncpg.Connection, ended: Sequence[Ended], settings: Settings, secrets: Secrets
) -> None:
    customers = {one.begun.customer_no for one in ended}
    async with waking_relay(connection):
        at = await clock(connection, settings.clock_offset)
        await deliveries.held(connection, customers, {one.begun.partner_id for one in ended})
        names = [(*one.name, one.begun.number) for one in ended]
        mine = await deliveries.still_under_way(connection, names)
        ended = [one for one in ended if one.name in mine]
        if ended:
            await _end(connection, ended, at, settings, secrets)
        await deliveries.served(connection, customers)
    reach("webhooks.after_write")


async def _end(
    connection: asyncpg.Connection,
    ended: Sequence[Ended],
    at: datetime,
    settings: Settings,
    secrets: Secrets,
) -> None:
    verdicts = {one.name: verdict(one.received.answer, one.begun.kind) for one in ended}
    taken = await give(
        connection,
        [_given(one, code) for one in ended if (code := verdicts[one.name].code) is not None],
        Manner.by(settings),
    )
    endings, rows, outcomes = [], [], []
    for one in ended:
        said = verdicts[one.name]
        if said.code is not None and one.begun.coupon.coupon_id in taken:
            said = Verdict(outcome=Outcome.FAILED, error=AttemptError.CODE_TAKEN)
        fate = _fate(one, said, settings)
        pause = timedelta(seconds=fate.pause)
        endings.append(Ending(*one.name, one.begun.number, fate.status, pause))
        rows.append(_row(one, said))
        outcomes.append(fate.outcome)
    await deliveries.end_attempts(connection, endings, rows, at)
    gone = {one.begun.partner_id: one for one in ended if one.received.answer.status == 410}
    for partner_id, one in sorted(gone.items()):
        now = (await webhooks_of(connection, [partner_id], secrets)).get(partner_id)
        if now is not None and now.url == one.begun.webhook.url:
            await switch_off(connection, partner_id, GONE, at)
    for outcome in outcomes:
        metrics.ATTEMPTS.labels(outcome).inc()


def _given(one: Ended, code: str) -> Given:
    return Given(
        coupon_id=one.begun.coupon.coupon_id,
        partner_id=one.begun.partner_id,
        customer_id=one.begun.coupon.customer_id,
        code=code,
    )


def _fate(one: Ended, said: Verdict, settings: Settings) -> _Fate:
    match said.outcome:
        case Outcome.DONE:
            return _Fate(status="delivered", outcome="delivered")
        case Outcome.GONE:
            return _Fate(status="held", outcome="gone")
        case Outcome.FAILED | Outcome.PROMISED:
            pause = pause_after(
                settings.webhook_retry_seconds,
                one.begun.tries,
                draw=random.random(),
                status=one.received.answer.status,
                error=said.error,
                retry_after=seconds_asked_for(one.received.retry_after, one.machine_at),
            )
            if pause is None:
                return _Fate(status="dead", outcome="dead")
            return _Fate(status="pending", outcome="failed", pause=pause)


def _row(one: Ended, said: Verdict) -> AttemptRow:
    request, received = one.request, one.received
    return AttemptRow(
        *one.name, one.begun.number, one.begun.partner_id, one.begun.began_at,
        received.answer.status, said.error, received.duration_ms, received.detail,
        orjson.dumps(request.shown()).decode(),
    )  # fmt: skip


async def end_interrupted(connection: asyncpg.Connection, settings: Settings) -> int:
    """Whoever had begun these ends them no more: each counts as an attempt that failed. How many there were."""
    async with connection.transaction():
        found = await deliveries.under_way(connection)
        if not found:
            return 0
        at = await clock(connection, settings.clock_offset)
        customers = {row["customer_no"] for row in found}
        await deliveries.held(connection, customers, {row["partner_id"] for row in found})
        endings, rows = [], []
        for row in found:
            name = str(row["coupon_id"]), row["kind"]
            pause = pause_after(settings.webhook_retry_seconds, row["tries"], draw=random.random())
            status = "dead" if pause is None else "pending"
            endings.append(Ending(*name, row["attempts"], status, timedelta(seconds=pause or 0)))
            lasted = max(0, round((at - row["begun_at"]) / timedelta(milliseconds=1)))
            rows.append(
                AttemptRow(
                    *name, row["attempts"], row["partner_id"], row["begun_at"], None,
                    AttemptError.INTERRUPTED, min(lasted, 2**31 - 1), None, None,
                )
            )  # fmt: skip
            metrics.ATTEMPTS.labels("dead" if pause is None else "failed").inc()
        await deliveries.end_attempts(connection, endings, rows, at)
        await deliveries.served(connection, customers)
    return len(found)
