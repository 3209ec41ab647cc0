"""An entry of a timeline, and that of a message: whether it is out.

An entry without an instant (`at` None) happened right after the one before it; when exactly was not recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from services.insight.explain.gathered import Gathered

Row = asyncpg.Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`what` is one of a few words, `detail` a sentence; `after` puts an entry without an instant in its place.

    `is_shared`: another event may tell of it too, as the order that used a coupon and the completion that earned it.
    """

    at: datetime | None
    what: str
    detail: str
    after: datetime
    is_shared: bool = False

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"at": self.at, "what": self.what, "detail": self.detail}


def published(
    gathered: Gathered, key: object, what: str, topic: str, caused_at: datetime
) -> Iterator[Entry]:
    """Where an outgoing event is: an outbox row is deleted once its event is published, so no row means published."""
    rows = gathered.queued.get(key, [])
    for row in rows:
        yield waits(row, what, topic, caused_at)
    if all(row["republished"] for row in rows):
        yield Entry(at=None, what="published", detail=f"{what} in {topic}", after=caused_at)


def waits(row: Row, what: str, topic: str, caused_at: datetime) -> Entry:
    """A message in the outbox: it is to leave yet, or never will."""
    more = " once more" if row["republished"] else ""
    fate = (
        f"Kafka refused it for good: {row['refused']}"
        if row["refused"]
        else f"waits in the outbox to be published in {topic}"
    )
    return Entry(
        at=row["queued_at"],
        what="set aside" if row["refused"] else "queued",
        detail=f"{what}{more}: {fate}",
        after=max(row["queued_at"], caused_at),
    )
