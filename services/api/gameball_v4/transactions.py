"""`/transactions`: how points came and went, and booking some by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, assert_never
from uuid import uuid4

import asyncpg
from fastapi import Query
from pydantic import BeforeValidator

from schemas.gameball_v4.customer_answers import ShownBooking, ShownTransactions
from schemas.gameball_v4.manual_transactions import ManualTransaction
from schemas.gameball_v4.values import MAX_ITEM_ID, shown_moment
from services.adapters.postgres.failures import CONFLICTS, LostRace
from services.adapters.postgres.queries import queries
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.description import takes
from services.api.edge.idempotency import once
from services.api.edge.parameters import Whole
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4.accounts import Account, known_account
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.description import gives
from services.api.gameball_v4.documents import read_as, sent_object, shown
from services.api.gameball_v4.failures import Refusal
from services.api.gameball_v4.parameters import PER_PAGE, CustomerAsked, PageLimit
from services.decisions.accounts_by_hand import Booked, ByHand, TransactionExists, book_points
from services.decisions.transaction import Deciding
from services.domain.coupons.codes import shown as shown_code
from services.domain.origins import SourceKind
from services.domain.points.wallet import EntryKind

router = Router(prefix="/api/v4/integrations/transactions", tags=["transactions"])

SOURCE: Final = "couponry/api/v4/transactions"
Kind = Literal[
    "PaymentReward", "AchievementReward", "Redemption", "Refund", "Expiry", "Cancel", "ManualReward",
    "ManualDeduction",
]  # fmt: skip
_SIGNS: Final = {None: [1, -1], "+": [1], "-": [-1]}
_SQL = queries("transactions", __package__)


def _kind_of(kind: EntryKind, source: SourceKind) -> Kind:
    match kind:
        case EntryKind.EARNED if source is SourceKind.MANUAL:
            return "ManualReward"
        case EntryKind.EARNED:
            return "PaymentReward" if source is SourceKind.ORDER else "AchievementReward"
        case EntryKind.SPENT:
            return "ManualDeduction" if source is SourceKind.MANUAL else "Redemption"
        case EntryKind.EXPIRED:
            return "Expiry"
        case EntryKind.REVERSED:
            return "Refund"
        case EntryKind.RESTORED:
            return "Cancel"
        case _:
            assert_never(kind)


_KINDS: Final = {
    f"{kind} {source}": _kind_of(kind, source) for kind in EntryKind for source in SourceKind
}
"""What an entry is called, by its kind and its source's."""
_OF_COUPONS: Final = frozenset({"Redemption", "Cancel"})


def _sign(sent: str | None) -> str | None:
    """A plus that nobody has encoded is a space by the rules of queries."""
    return "+" if sent == " " else sent


@router.get("", responses=gives(200, ShownTransactions, "Some of them."))
async def list_transactions(
    call: Writing,
    customer_id: CustomerAsked = None,
    limit: PageLimit = PER_PAGE,
    start_after: Annotated[int, Query(alias="startAfter", ge=0, le=MAX_ITEM_ID), Whole] = 0,
    direction: Annotated[Literal["+", "-"] | None, Query(), BeforeValidator(_sign)] = None,
    kind: Annotated[Kind | None, Query(alias="type")] = None,
) -> Reply:
    """List what moved points, the oldest first, of all customers or of one."""
    asked = (
        call.partner_id,
        start_after,
        _SIGNS[direction],
        [each for each, name in _KINDS.items() if kind is None or name == kind],
        limit + 1,
    )
    async with call.reading() as connection:
        if customer_id is None:
            rows = await connection.fetch(_SQL["transactions"], *asked)
        else:
            number = (await known_account(connection, call, customer_id)).number
            rows = await connection.fetch(_SQL["transactions_of_customer"], *asked, number)
        codes = await _coupon_codes(connection, rows[:limit])
    return shown(
        {
            "transactions": [_row(row, codes) for row in rows[:limit]],
            "count": len(rows[:limit]),
            "hasMore": len(rows) > limit,
        }
    )


@router.post(
    "/manual",
    responses=gives(200, ShownBooking, "What was booked.", 400, 409),
    openapi_extra=takes(ManualTransaction),
)
async def book_by_hand(call: Writing) -> Reply:
    """Give a customer points, or take some; once for each transaction's id."""
    sent = await sent_object(call)

    async def work(connection: asyncpg.Connection) -> Reply:
        asked = read_as(ManualTransaction, sent)
        account = await known_account(connection, call, asked.customer_id)
        asked = read_as(ManualTransaction, sent, account.program.time_zone)
        try:
            booked = await _booked(connection, call, asked, account)
        except CONFLICTS as error:
            raise LostRace(str(error)) from error
        await audit.record(
            connection, call, "points.booked", asked.transaction_id, after=asked.model_dump()
        )
        id_ = await connection.fetchval(
            _SQL["entry_of_transaction"], call.partner_id, asked.transaction_id
        )
        return shown(
            {
                "customerId": asked.customer_id,
                "gameballTransactionId": id_,
                "transactionId": asked.transaction_id,
                "points": asked.points,
                "amount": None,
                "pointsBalance": booked.balance,
            }
        )

    return await once(call, work)


async def _booked(
    connection: asyncpg.Connection, call: Call, asked: ManualTransaction, account: Account
) -> Booked:
    """What was booked. Raises Problem 409."""
    by_hand = ByHand(
        partner_id=call.partner_id,
        customer_id=asked.customer_id,
        source=SOURCE,
        event_id=str(uuid4()),
        traceparent=call.traceparent,
    )
    try:
        booked = await book_points(
            connection,
            by_hand,
            # Rules of its own for each request: what one partner may see is not kept for another.
            Deciding(call.api.manner),
            transaction_id=asked.transaction_id,
            amount=asked.points,
            reason=asked.reason,
            ends_at=asked.ends_at(account.course.at, account.program.time_zone),
        )
    except TransactionExists:
        raise Refusal("transaction_exists") from None
    if not isinstance(booked, Booked):
        raise Refusal(booked)
    return booked


async def _coupon_codes(
    connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]
) -> dict[Any, str]:
    """By decision the code, as it is shown, of the coupon that points were redeemed for, or came back for."""
    keys = {row["event_key"] for row in rows if _KINDS[_kind(row)] in _OF_COUPONS}
    if not keys:
        return {}
    found = await connection.fetch(_SQL["coupons_of_decisions"], sorted(keys))
    return {
        row["event_key"]: shown_code(row["code"], row["code_prefix"], row["external_code"])
        for row in found
    }


def _kind(row: asyncpg.Record) -> str:
    return f"{row['kind']} {row['source_kind']}"


def _row(row: asyncpg.Record, codes: Mapping[Any, str]) -> dict[str, Any]:
    expires_at, is_manual = row["expires_at"], row["source_kind"] == SourceKind.MANUAL
    return {
        "gameballTransactionId": row["id"],
        "transactionId": row["source_id"] if is_manual else row["order_id"],
        "customerId": row["customer_id"],
        "type": _KINDS[_kind(row)],
        "direction": "+" if row["points"] > 0 else "-",
        "points": abs(row["points"]),
        "pointsBalanceAfter": row["balance"],
        "amount": None,
        "transactionTime": shown_moment(row["at"]),
        "expiryDate": None if expires_at is None else shown_moment(expires_at),
        "couponCode": codes.get(row["event_key"]) if _KINDS[_kind(row)] in _OF_COUPONS else None,
        "reason": row["reason"],
        "status": "Active",
        "source": {"kind": row["source_kind"], "id": row["source_id"]},
    }
