"""Events that come from a source which may not speak for their partner: dead letters, stage `source`.

What we tell ourselves is asked for the decision that it follows from instead, whatever a partner's patterns say. What a
partner tells the API has come with its keys: it speaks for that partner, always.
The database is asked of a partner that is met for the first time, and a few times a second of all who are known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import replace

import asyncpg
from aiokafka import ConsumerRecord

from schemas.topics import http_source
from services.adapters.postgres import partners
from services.adapters.postgres.failures import OF_POSTGRES
from services.adapters.postgres.pool import Connection
from services.decisions.repeats import undecided
from services.domain.arrival import Incoming
from services.domain.events import FollowUp
from services.domain.letters import DeadLetter, Stage
from services.domain.sources import may_speak
from services.issuer.letters import letter_for
from services.issuer.parts import Part
from services.runtime.backoff import pause

FRESH_SECONDS = 0.25
"""How long a change of a partner's patterns may go unnoticed."""
MOST_KNOWN = 20_000

log = logging.getLogger(__name__)


class Speakers:
    """Patterns by partner, of those met lately. Any number of lanes may ask."""

    def __init__(self, pool: asyncpg.Pool | Connection) -> None:
        self._pool = pool
        self._patterns: dict[int, tuple[str, ...]] = {}

    async def keep_fresh(self, stopping: asyncio.Event) -> None:
        """Until told to stop: who is known is asked about again and again."""
        while not await pause(stopping, FRESH_SECONDS):
            try:
                await self.refresh()
            except OF_POSTGRES as error:
                log.debug("patterns of sources were not read: %r", error)

    async def refresh(self) -> None:
        """Ask about all who are known; who is met meanwhile was asked about by whoever met it."""
        asked = list(self._patterns)
        if len(asked) > MOST_KNOWN:
            self._patterns = {}
        elif asked:
            self._patterns |= await self._patterns_of(asked)

    async def _patterns_of(self, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
        found = await partners.sources_of(self._pool, ids)
        return {id_: found.get(id_, ()) for id_ in ids}

    async def judged(self, records: Sequence[ConsumerRecord], part: Part) -> Part:
        """The part, its events of strangers as dead letters. What is decided already stays a repeat.

        What we tell ourselves is judged by what it follows from, see `services.decisions.follow_ups`.
        """
        ids = {incoming.event.partner_id for incoming in part.arrivals}
        # Taken before waiting: nobody may pass because another lane has emptied what was known.
        patterns = {id_: self._patterns[id_] for id_ in ids & self._patterns.keys()}
        if unknown := ids - patterns.keys():
            met = await self._patterns_of(unknown)
            self._patterns |= met
            patterns |= met
        if not any(patterns.values()):
            return part
        strangers = [
            one
            for one in part.arrivals
            if not isinstance(one.event, FollowUp)
            and not may_speak(one.event.cause.source, patterns[one.event.partner_id])
            and one.event.cause.source != http_source(one.event.partner_id)
        ]
        if not strangers:
            return part
        strangers = await undecided(self._pool, strangers)
        letters = [self._letter(records, incoming) for incoming in strangers]
        refused = {id(incoming) for incoming in strangers}
        return replace(
            part,
            arrivals=[incoming for incoming in part.arrivals if id(incoming) not in refused],
            letters=[*part.letters, *letters],
        )

    @staticmethod
    def _letter(records: Sequence[ConsumerRecord], incoming: Incoming) -> DeadLetter:
        partner_id, source = incoming.event.partner_id, incoming.event.cause.source
        error = PermissionError(
            f"ce_source {source[:200]!r} may not speak for partner {partner_id}: have its own producer send it, or "
            f"allow the source with `couponry partners set {partner_id} --source PATTERN` and redrive this record"
        )
        return letter_for(records, incoming, Stage.SOURCE, error)
