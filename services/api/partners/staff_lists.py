"""Coupons as a list: a page of those that a shop may meet, newest first, and how many there are.

Of a partner with millions of coupons a page costs what lies before it in the list: it is a walk along an index, once
for each status as recorded that may be the one asked for. They are counted up to a bound, since counting millions takes
seconds each time. A customer's own coupons are few, and are found by the customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Final

import asyncpg

from services.adapters.postgres.queries import queries
from services.api.edge.problems import invalid
from services.api.partners.parameters import Page
from services.api.partners.staff_lookups import FOREIGN_SHOP, Found, found_in
from services.domain.coupons.coupon import OPEN_STATUSES, CouponStatus

COUNTED_AT_MOST: Final = 100_000
"""Fewer are counted exactly. Of more it is known that there are so many, or as many as lead to the page after this."""
GATHERED_AT_MOST: Final = 200_000
"""Of a game: so many of one status, or more, are walked to among all others, fewer are gathered and sorted."""

_SQL = queries("staff", __package__)
_RECORDED: Final[Mapping[CouponStatus | None, tuple[CouponStatus, ...]]] = {
    **{status: (status,) for status in CouponStatus},
    CouponStatus.ACTIVE: tuple(OPEN_STATUSES),  # a reservation that has lapsed is one no more
    None: tuple(CouponStatus),
}
"""Statuses as recorded that may be the one asked for; what is over has a walk of its own."""


Ways = tuple[tuple[CouponStatus, bool], ...]
"""Statuses as recorded, each with whether its coupons are gathered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Filters of a list. Days are the partner's, both inclusive, of the issue; None does not filter."""

    shop_id: int
    status: CouponStatus | None = None
    customer_id: str | None = None
    game_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None


async def page_of_coupons(
    connection: asyncpg.Connection,
    partner_id: int,
    wanted: Wanted,
    page: Page,
    clock_offset: timedelta,
) -> tuple[list[Found], int]:
    """A page of the coupons wanted, newest first, and how many there are. Raises Problem 422 for a foreign shop."""
    (standing,) = await connection.fetch(
        _SQL["standing_for_the_list"], clock_offset, wanted.shop_id
    )
    if not standing["is_own_shop"]:
        raise invalid(FOREIGN_SHOP)
    filters = (wanted.game_id, wanted.first_day, wanted.last_day, standing["time_zone"])
    if wanted.customer_id is not None:
        rows = await connection.fetch(
            _SQL["page_of_customer"], partner_id, standing["at"], wanted.shop_id, wanted.status,
            wanted.customer_id, *filters, page.offset, page.size,
        )  # fmt: skip
        return [found_in(row) for row in rows if row["id"] is not None], rows[0]["total"]
    await connection.execute(_SQL["walk_along_the_index"])
    asked = (partner_id, standing["at"], wanted.shop_id, wanted.status, *filters)
    ways = await _ways(connection, wanted)
    total = await connection.fetchval(walking("count_walks", ways), *asked, COUNTED_AT_MOST)
    if total < COUNTED_AT_MOST and total <= page.offset:
        return [], total
    further = page.offset + page.size + 1
    rows = await connection.fetch(walking("page_of_walks", ways), *asked, further, page.offset)
    return list(map(found_in, rows[: page.size])), max(
        total, page.offset + len(rows) if rows else 0
    )


async def _ways(connection: asyncpg.Connection, wanted: Wanted) -> Ways:
    """How the coupons of each status as recorded are come by."""
    statuses = _RECORDED[wanted.status]
    few: set[str] = set()
    if wanted.game_id is not None:
        rows = await connection.fetch(
            _SQL["coupons_of_statuses"], wanted.game_id, statuses, GATHERED_AT_MOST
        )
        few = {row["status"] for row in rows if row["coupons"] < GATHERED_AT_MOST}
    return tuple((status, status.value in few) for status in statuses)


@cache
def walking(name: str, ways: Ways) -> str:
    """The query of this name, over all walks of a list."""
    walks = [
        _SQL["walk"].format(
            status=status.value,
            coupons=_SQL["gathered"].format(status=status.value) if is_gathered else "coupons",
        )
        for status, is_gathered in ways
    ]
    if any(status is CouponStatus.EXPIRED for status, _ in ways):
        walks += [_SQL["walk_lapsed"], _SQL["walk_lapsed_of_no_game"]]
    return _SQL[name].format(walks=" UNION ALL ".join(f"({walk})" for walk in walks))
