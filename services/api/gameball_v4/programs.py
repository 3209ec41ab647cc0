"""Partners' programs as this process has read them, each used only at the revision that the asking transaction sees.

A revision moves with every save of a program and whatever else its rules are made of, so a change is seen by the very
next request, whoever made it, and a program is read and compiled once for all requests until then.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Final

import asyncpg

from schemas.gameball_v4.program import Sections
from services.adapters.postgres.programs import StoredProgram, revision_of, stored_programs
from services.adapters.postgres.stored_program import program_from
from services.api.edge.call import Call
from services.decisions.program_changes import NoSuchPartner, sections_of
from services.domain.partner_program import PartnerProgram

MOST_KNOWN: Final = 200
"""Programs that a process keeps: a tenth of a MiB each for shops as they are, ten for one with all that it may have."""


class KnownProgram:
    """A program at one revision, for any number of requests at once: nobody changes what is in it."""

    def __init__(self, stored: StoredProgram) -> None:
        self.stored = stored

    @cached_property
    def rules(self) -> PartnerProgram:
        """What it says to the rules. Raises ZoneInfoNotFoundError as `program_from` does."""
        return replace(program_from(self.stored), revision=self.stored.revision)

    @cached_property
    def sections(self) -> Sections:
        """What is shown of it."""
        return sections_of(self.stored)


class KnownPrograms:
    """So many of them, by partner; whose was used longest ago goes first."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._most = most
        self._known: dict[int, KnownProgram] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def at(
        self, connection: asyncpg.Connection, partner_id: int, revision: int
    ) -> KnownProgram:
        """The partner's program, which this transaction has seen at that revision: read here unless it is known.

        Whose row a transaction may not see, it has no revision of.
        """
        known = self._known.get(partner_id)
        if known is None or known.stored.revision != revision:
            known = KnownProgram((await stored_programs(connection, [partner_id]))[partner_id])
        # A slower request may put back what a faster one has replaced: the next one then reads it again.
        self._known.pop(partner_id, None)
        self._known[partner_id] = known
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return known


async def program_at(connection: asyncpg.Connection, call: Call, revision: int) -> KnownProgram:
    """The caller's program, at the revision that this transaction has seen."""
    programs: KnownPrograms = call.request.app.state.programs
    return await programs.at(connection, call.partner_id, revision)


async def program_of(connection: asyncpg.Connection, call: Call) -> KnownProgram:
    """The caller's program as this transaction sees it. Raises NoSuchPartner."""
    revision = await revision_of(connection, call.partner_id)
    if revision is None:
        raise NoSuchPartner(call.partner_id)
    return await program_at(connection, call, revision)
