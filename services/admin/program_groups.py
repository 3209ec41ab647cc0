"""A group of coupons that a command gives codes to: found or refused, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.gameball_v4.coupon_groups import CouponGroup
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.pools import left_of
from services.adapters.postgres.programs import stored_programs
from services.decisions.program_changes import sections_of
from services.terminal.output import CommandError, unknown_partner


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of codes: how many came in, which did not, and what the group can issue now (None: without end)."""

    accepted: int
    duplicates: Sequence[str]
    remaining: int | None


async def group_of(connection: Connection, partner_id: int, handle: str) -> CouponGroup:
    """The group as it is at this moment. Raises CommandError, one line."""
    stored = (await stored_programs(connection, [partner_id])).get(partner_id)
    if stored is None:
        raise unknown_partner(partner_id)
    group = sections_of(stored).group(handle)
    if group is None:
        raise CommandError(
            f"partner {partner_id} has no coupon group {handle!r}:"
            f" see `couponry program show --partner-id {partner_id}`"
        )
    return group


async def left_in(
    connection: Connection, partner_id: int, group: CouponGroup, *, coming: int = 0
) -> int | None:
    """How many coupons it can still issue, None without an end; with so many codes more than it has."""
    caps = {group.handle: group.max_total}
    return (await left_of(connection, partner_id, caps, coming=coming))[group.handle]
