"""Programs as they were: a partner's rules at a version that decisions name, read once for all who ask."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from services.adapters.postgres.programs import program_version
from services.adapters.postgres.stored_program import program_from
from services.domain.partner_program import PartnerProgram
from services.insight.verify.scan import Scan

MOST_KEPT: Final = 500
"""Versions in memory at once, whole: one with a thousand campaigns takes a megabyte."""


class Versions:
    """Of all partners."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._kept: dict[tuple[int, int], tuple[bool, PartnerProgram | None]] = {}

    async def exists(self, partner_id: int, version: int) -> bool:
        """Whether there ever was such a version."""
        return (await self._look_up(partner_id, version))[0]

    async def at(self, partner_id: int, version: int | None) -> PartnerProgram | None:
        """The rules of then; None where there were none, or this machine cannot read them, which is said."""
        return None if version is None else (await self._look_up(partner_id, version))[1]

    async def _look_up(self, partner_id: int, version: int) -> tuple[bool, PartnerProgram | None]:
        key = partner_id, version
        if key not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = await self._read(*key)
        return self._kept[key]

    async def _read(self, partner_id: int, version: int) -> tuple[bool, PartnerProgram | None]:
        stored = await program_version(self._scan.connection, partner_id, version)
        if stored is None:
            return False, None
        try:
            return True, program_from(stored)
        except (ZoneInfoNotFoundError, KeyError, ValueError, OSError) as error:
            said = (
                f"version {version} of the program of partner {partner_id}: it cannot be read here "
                f"({type(error).__name__}: {error})"
            )
            if said not in self._scan.findings.unchecked:
                self._scan.findings.unchecked.append(said)
            return True, None
