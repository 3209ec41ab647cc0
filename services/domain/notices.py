"""When customers are told that a coupon is about to expire.

A lead time is an offset before the end, in hours. One that is not shorter than the coupon's whole validity is never
sent; of several that are due at once only the shortest is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta


def first_notice(
    issued_at: datetime, expires_at: datetime | None, leads_hours: Sequence[int]
) -> datetime | None:
    """When the first notice of a new coupon is due; None if none ever is."""
    if expires_at is None:
        return None
    return _earliest(issued_at, expires_at, leads_hours, after=issued_at)


def next_notice(
    issued_at: datetime, expires_at: datetime, leads_hours: Sequence[int], *, at: datetime
) -> datetime | None:
    """When the next notice after one sent at `at` is due; None if that was the last."""
    return _earliest(issued_at, expires_at, leads_hours, after=at)


def _earliest(
    issued_at: datetime, expires_at: datetime, leads_hours: Sequence[int], *, after: datetime
) -> datetime | None:
    dues = (
        expires_at - timedelta(hours=hours)
        for hours in leads_hours
        if timedelta(hours=hours) < expires_at - issued_at
    )
    return min((due for due in dues if due > after), default=None)
