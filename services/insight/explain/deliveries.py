"""What a partner's own system was told of a coupon, attempt by attempt, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import asyncpg

from schemas.topics import COUPON_LIFECYCLE
from services.decisions.delivering import DELIVERED
from services.domain.webhooks.answers import DeliveryKind
from services.insight.explain.entry import Entry, published
from services.insight.explain.gathered import Gathered
from services.insight.explain.wording import coupon_in_words
from services.terminal.output import instant_text

Row = asyncpg.Record


def entries(gathered: Gathered, coupon: Row) -> Iterator[Entry]:
    """All that there is of a coupon's deliveries, in the order in which it came about."""
    for delivery in gathered.deliveries_of_coupon.get(coupon["id"], []):
        what = coupon_in_words(coupon)
        if delivery["kind"] == DeliveryKind.CANCELLED:
            what = f"the cancellation of {what}"
        last: datetime = delivery["at"]
        for attempt in gathered.attempts_of_coupon.get(coupon["id"], []):
            if attempt["kind"] == delivery["kind"]:
                last = attempt["at"]
                detail = f"{what} to the partner's own system: {_attempt(attempt)}"
                yield Entry(at=last, what="told", detail=detail, after=last)
        if (at := delivery["delivered_at"]) is not None:
            last = at
            yield Entry(at=at, what="delivered", detail=f"{what}: their system has it", after=at)
            if delivery["kind"] == DeliveryKind.ISSUED:
                ce_id, told = f"{coupon['id']}.{DELIVERED}", f"coupon.{DELIVERED} of {what}"
                yield from published(gathered, ce_id, told, COUPON_LIFECYCLE, at)
        if delivery["status"] != "delivered":
            yield _still(what, delivery, last)


def _attempt(attempt: Row) -> str:
    """How it went: "attempt 2, status 503, after 12 ms"."""
    came = (attempt["error"], attempt["status"])
    said = " ".join(str(each) for each in came if each is not None)
    return f"attempt {attempt['number']}, {said}, after {attempt['duration_ms']:,} ms"


def _still(what: str, delivery: Row, last: datetime) -> Entry:
    """What is still to come of one that is not delivered, or was given up."""
    if delivery["status"] == "dead":
        return Entry(at=None, what="given up", detail=f"{what}: until sent again", after=last)
    if delivery["status"] == "held":
        why = "until the partner's webhook takes it"
        return Entry(at=None, what="held", detail=f"{what}: {why}", after=last)
    if (at := delivery["begun_at"]) is not None:
        return Entry(at=at, what="telling", detail=f"{what}: under way", after=at)
    due = instant_text(delivery["due_at"])
    when = (
        f"not before {due}" if delivery["is_next"] else "after what the customer was given before"
    )
    return Entry(at=None, what="to be told", detail=f"{what}: {when}", after=last)
