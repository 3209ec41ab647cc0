"""`couponry coupons`: list coupons, newest first, in pages, so that millions of them need little memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import click

from services.adapters.postgres.clock import clock
from services.adapters.postgres.queries import queries
from services.domain.coupons.codes import shown
from services.domain.coupons.coupon import CouponStatus
from services.runtime.settings import Settings
from services.terminal.addresses import command_settings, postgres
from services.terminal.arguments import IDENTIFIER, utf8_text
from services.terminal.output import SHOWN, json_option, print_long

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
MORE = "the newest {most}; there are more: --limit or --json"
PAGE = 5_000

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
    settings = command_settings()
    asyncio.run(
        print_long(lambda most: _rows(settings, filters, most), COLUMNS, limit, as_json, more=MORE)
    )


async def _rows(
    settings: Settings, filters: dict[str, Any], limit: int | None
) -> AsyncIterator[dict[str, Any]]:
    status = STATUSES[filters["status"]].value if filters["status"] else None
    sql = queries("coupons", __package__)["list_coupons"]
    last: UUID | None = None
    async with postgres(settings, "coupons", default_transaction_read_only="on") as connection:
        at = await clock(connection, settings.clock_offset)
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
        "code": shown(row["code"], row["code_prefix"], row["external_code"]),
        "partner_id": row["partner_id"],
        "game_id": row["game_id"],
        "customer_id": row["customer_id"],
        "status": row["status"],
        "issued_at": row["issued_at"],
        "expires_at": row["expires_at"],
        "is_unlimited": row["expires_at"] is None,
    }
