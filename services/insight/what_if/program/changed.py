"""The program that is tried: the sections of a file that differ, laid over every version that was in force.

Each event keeps the version it was decided under, with the changed sections in the place of its own; cards and the zone
stay as they were. So a program that was changed in the meantime is reproduced as it was where the file changes nothing,
and what the difference shows is what the file changes, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.files import PARTNER, loaded
from schemas.gameball_v4.program import SECTIONS, sections_from, stored_of, with_ids
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.programs import (
    StoredProgram,
    program_version,
    stored_programs,
)
from services.adapters.postgres.stored_program import program_from
from services.domain.partner_program import PartnerProgram
from services.terminal.output import CommandError, unknown_partner
from services.terminal.program_file import read_file, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """`now` is in force. `changes`: sections as they are stored, those that differ alone."""

    now: StoredProgram
    changes: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Programs:
    """By version, as they are asked for."""

    connection: Connection
    changed: Changed
    _made: dict[int, PartnerProgram] = field(default_factory=dict)

    async def at(self, version: int | None) -> PartnerProgram:
        """The program of a decision that names this version, None where there was none yet."""
        number = version or 0
        if number not in self._made:
            self._made[number] = self._compiled(await self._stored(number), number)
        return self._made[number]

    def capped_groups(self) -> set[str]:
        """Handles of groups that have a cap in the program that is tried."""
        groups = self.changed.changes.get("couponGroups") or ()
        return {each["handle"] for each in groups if each.get("maxTotal") is not None}

    async def _stored(self, version: int) -> StoredProgram:
        if version == self.changed.now.version:
            return self.changed.now
        if version == 0:
            return replace(self.changed.now, version=0, sections={})
        stored = await program_version(self.connection, self.changed.now.partner_id, version)
        assert stored is not None  # versions are kept for ever
        return stored

    def _compiled(self, stored: StoredProgram, version: int) -> PartnerProgram:
        if not self.changed.changes:
            return program_from(stored)
        sections = {**stored.sections, **self.changed.changes}
        # Where there was no program, there is one now.
        return program_from(replace(stored, sections=sections, version=max(version, 1)))


async def changed_by(connection: Connection, partner_id: int, file: Path) -> Changed:
    """What the file changes of the partner's program. Raises CommandError, one line."""
    document = read_file(file)
    if document[PARTNER] != partner_id:
        raise CommandError(
            f"{file}: {PARTNER}: is the program of {document[PARTNER]}, not of {partner_id}"
        )
    now = (await stored_programs(connection, [partner_id])).get(partner_id)
    if now is None:
        raise unknown_partner(partner_id)
    before = sections_from(now.sections, now.time_zone, now.default_rule_id)
    try:
        after = loaded(before, document).sections
    except InvalidDefinition as invalid:
        raise refused(str(file), invalid) from None
    was, becomes = stored_of(before), stored_of(with_ids(after, count(1)))
    changes = {name: becomes[name] for name in SECTIONS if was.get(name) != becomes.get(name)}
    return Changed(now=now, changes=changes)
