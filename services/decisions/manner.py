"""How decisions are timed and written: what always travels together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from services.adapters.draws import Drawing
from services.adapters.postgres.clock import OWN_CLOCK, ClockGuard
from services.runtime.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How what is written depends on the settings."""

    mask_codes: bool = False
    expiring_leads_hours: tuple[int, ...] = ()
    points_leads_hours: tuple[int, ...] = ()

    @classmethod
    def by(cls, settings: Settings) -> Writing:
        return cls(
            mask_codes=settings.mask_codes,
            expiring_leads_hours=settings.expiring_lead_hours,
            points_leads_hours=settings.points_expiring_lead_hours,
        )


PLAIN = Writing()
"""Codes in full, no notices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """`clock_offset` moves the database's clock (tests); `by_copy` is False for a role under row-level security.

    `drawing` draws coupon ids and codes. `guard` doubts the database's clock for the whole process.
    """

    clock_offset: timedelta = timedelta()
    writing: Writing = field(default=PLAIN)
    by_copy: bool = True
    guard: ClockGuard = field(default=OWN_CLOCK, compare=False)
    drawing: Drawing = field(default_factory=Drawing, compare=False)

    @classmethod
    def by(cls, settings: Settings, guard: ClockGuard = OWN_CLOCK) -> Manner:
        return cls(
            clock_offset=settings.clock_offset,
            writing=Writing.by(settings),
            guard=guard,
            drawing=Drawing(settings.drawing_secret),
        )

    def under_row_level_security(self) -> Manner:
        """The same for the partner API's role, to which Postgres refuses COPY."""
        return replace(self, by_copy=False)


USUAL = Manner()
