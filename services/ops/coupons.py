"""`couponry coupons`: list coupons, newest first, in pages, so that millions of them need little memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import click

from services.adapters.postgres.queries import queries
from services.adapters.postgres.settling import clock
from services.domain.codes import display
from services.domain.coupon import CouponStatus
from services.ops.addresses import command_settings, postgres
from services.ops.arguments import IDENTIFIER, utf8_text
from services.ops.output import json_option, plain, print_table, progress
from services.runtime.settings import Settings

COLUMNS = (
    "coupon_id",
    "code",
    "status",
    "partner_id",
    "game_id",
    "customer_id",
    "issued_at",
    "expires_at",
)
PAGE = 5_000
SHOWN = 100
"""Rows of a table without --limit; JSON has all."""

STATUSES = {status.value: status for status in CouponStatus} | {
    "pending": CouponStatus.RESERVED,
    "used": CouponStatus.REDEEMED,
}


@click.group()
def coupons() -> None:
    """List coupons."""


@coupons.command("list")
@click.option("--partner-id", type=IDENTIFIER)
@click.option("--game-id", type=IDENTIFIER)
@click.option("--customer", "customer_id", type=utf8_text, help="The customer's id.")
@click.option("--status", type=click.Choice(list(STATUSES)), help="The status in effect now.")
@click.option("--limit", type=click.IntRange(1), help=f"At most this many; a table has {SHOWN}.")
@json_option
def list_them(limit: int | None, as_json: bool, **filters: Any) -> None:
    """List coupons, newest first."""
    asyncio.run(_list(command_settings(), filters, limit, as_json))


async def _list(
    settings: Settings, filters: dict[str, Any], limit: int | None, as_json: bool
) -> None:
    if as_json:
        separator = "["
        async for row in _rows(settings, filters, limit):
            print(separator + json.dumps(row, ensure_ascii=False, default=plain), end="")
            separator = ",\n"
        print("[]" if separator == "[" else "]")
        return
    most = limit or SHOWN
    rows = [row async for row in _rows(settings, filters, most + 1)]
    print_table(COLUMNS, ([row[name] for name in COLUMNS] for row in rows[:most]))
    if len(rows) > most:
        progress(f"the newest {most}; there are more: --limit or --json")


async def _rows(
    settings: Settings, filters: dict[str, Any], limit: int | None
) -> AsyncIterator[dict[str, Any]]:
    status = STATUSES[filters["status"]].value if filters["status"] else None
    sql = queries("coupons")["list_coupons"]
    last: UUID | None = None
    async with postgres(settings, "coupons") as connection:
        at = await clock(connection, timedelta(seconds=settings.clock_offset_seconds))
        while limit is None or limit > 0:
            page = min(PAGE, limit) if limit else PAGE
            rows = await connection.fetch(
                sql, last, at, filters["partner_id"], filters["customer_id"], filters["game_id"],
                status, page,
            )  # fmt: skip
            for row in rows:
                yield _shown(row)
            if len(rows) < page:
                return
            last = rows[-1]["coupon_id"]
            limit = limit - len(rows) if limit else None


def _shown(row: Any) -> dict[str, Any]:
    return {
        "coupon_id": str(row["coupon_id"]),
        "code": display(row["code"], row["code_prefix"]),
        "partner_id": row["partner_id"],
        "game_id": row["game_id"],
        "customer_id": row["customer_id"],
        "status": row["status"],
        "issued_at": row["issued_at"],
        "expires_at": row["expires_at"],
        "is_unlimited": row["expires_at"] is None,
    }
