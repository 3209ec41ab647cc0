"""P11: what coupons took off an order is what their terms allow.

A decision keeps what each coupon took off, and by that alone much of it can be judged. The rest is the order's: its
worth, its lines, its currency. As long as its record is kept, what the terms make of it is worked out again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Final
from uuid import UUID

import asyncpg
import orjson
from aiokafka import ConsumerRecord

from services.adapters.postgres.coupon_terms import terms_from
from services.adapters.postgres.queries import queries
from services.domain.arrival import Incoming
from services.domain.coupons.discounts import Discount, discount
from services.domain.events import OrderPlaced
from services.domain.exact import ZERO, minor_digits, quotient
from services.domain.terms import Terms, TermsType
from services.insight.verify.scan import Rank, Scan
from services.issuer.codec import read_record

_SQL = queries("uses", __package__)
_MINOR_DIGITS: Final = (0, 2, 3, 4)
"""Of all currencies there are: what fits any is rounded to the order's."""


async def check(scan: Scan, keys: Sequence[UUID]) -> None:
    """What the decisions of these events say, by itself and beside the coupons' terms."""
    for rows in await _by_decision(scan, keys):
        given: list[Discount] = []
        for row in rows:
            terms = _terms(row)
            if fault := _fault(row, terms, given):
                _violated(scan, rows, f"order {row['order_id']!r} of partner {row['partner_id']}: {fault}")  # fmt: skip
            if terms is not None:
                given.append(Discount(terms=terms, amount=Decimal(row["amount"])))


async def held_against(scan: Scan, records: Sequence[tuple[str, ConsumerRecord]]) -> None:
    """The same of records, each with the key of its event: what their terms make of the order that it tells of.

    A repeat, which stands elsewhere than where its decision was made, may say what it likes.
    """
    at = {(record.topic, record.partition, record.offset): record for _, record in records}
    for rows in await _by_decision(scan, [UUID(key) for key in {key for key, _ in records}]):
        place = rows[0]["topic"], rows[0]["partition"], rows[0]["offset"]
        read = read_record(at[place]) if place in at else None
        if isinstance(read, Incoming) and isinstance(read.event, OrderPlaced):
            _worked_out_again(scan, rows, read.event, "{}:{}:{}".format(*place))


async def _by_decision(scan: Scan, keys: Sequence[UUID]) -> list[list[asyncpg.Record]]:
    rows = await scan.connection.fetch(_SQL["discounts"], keys) if keys else []
    return [list(some) for _, some in groupby(rows, lambda row: row["event_key"])]


def _worked_out_again(
    scan: Scan, rows: Sequence[asyncpg.Record], event: OrderPlaced, place: str
) -> None:
    """One after the other, as they were given, up to the first fault. Whether a tier was lost by then nobody keeps."""
    given: list[Discount] = []
    for row in rows:
        terms = _terms(row)
        if terms is None or _fault(row, terms, given):
            return  # which is told of the decision
        found, said = discount(terms, event, given, has_tier=True), Decimal(row["amount"])
        order = f"record {place} is of an order that coupon {row['coupon_id']}"
        if not isinstance(found, Discount):
            _violated(scan, rows, f"{order} is not for: {found.value}")
            return
        if found.amount != said:
            words = f"{order} takes {found.amount} off, and its decision says {said}"
            _violated(scan, rows, words)
            return
        given.append(found)


def _violated(scan: Scan, rows: Sequence[asyncpg.Record], words: str) -> None:
    """Of a decision: its coupons are what it is about, since each stands beside the others."""
    coupons = (row["coupon_id"] for row in rows)
    scan.echoed(Rank.OF_THE_RECORD, "P11", words, rows[0]["event_key"], *coupons)


def _terms(row: asyncpg.Record) -> Terms | None:
    """None where the customer has no such coupon."""
    return None if row["terms"] is None else terms_from(orjson.loads(row["terms"]))


def _fault(row: asyncpg.Record, terms: Terms | None, given: Sequence[Discount]) -> str | None:
    """What no order explains, None if nothing is wrong."""
    coupon, amount = f"coupon {row['coupon_id']}", Decimal(row["amount"])
    if terms is None or row["uses"] != 1:
        return f"{coupon} took something off, and was not used by it once"
    if row["class"] != terms.discount_class:
        return f"{coupon} took off {row['class']}, and is for {terms.discount_class}"
    if amount < 0 or any(amount > most for most in _mosts(terms)):
        return f"{coupon} took off {amount}, which its terms do not allow"
    if not all(terms.combines(each.terms) for each in given):
        return f"{coupon} does not combine with what was used before it"
    return None


def _mosts(terms: Terms) -> Iterator[Decimal]:
    """What it takes off at most, whatever the order: rounded as the order's currency is, up where halves are."""
    match terms.type:
        case TermsType.CUSTOM:
            yield ZERO
        case TermsType.FIXED:
            yield _rounded(terms.value or ZERO, terms.currency)
        case TermsType.PERCENTAGE if terms.capping is not None:
            yield _rounded(terms.capping, terms.currency)
        case _:
            pass


def _rounded(amount: Decimal, currency: str | None) -> Decimal:
    places = _MINOR_DIGITS if currency is None else (minor_digits(currency),)
    return max(quotient((amount,)).half_up(each) for each in places)
