"""When customers are told that a coupon is about to expire.

A lead time is an offset before the end, in hours. One that is not shorter than the coupon's whole validity is never
sent; of several that are due at once only the shortest is.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache, lru_cache


def first_notice(
    issued_at: datetime, validity_days: int | None, leads_hours: tuple[int, ...]
) -> datetime | None:
    """When the first notice of a new coupon is due; None if none ever is."""
    delay = _first_delay(validity_days, leads_hours)
    return None if delay is None else issued_at + delay


@cache  # asked for every coupon; games have few validities
def _first_delay(validity_days: int | None, leads_hours: tuple[int, ...]) -> timedelta | None:
    if validity_days is None:
        return None
    validity = timedelta(days=validity_days)
    return min(_notices(validity, leads_hours), default=None)


def next_notice(
    issued_at: datetime, expires_at: datetime, leads_hours: tuple[int, ...], *, at: datetime
) -> datetime | None:
    """When the next notice after one sent at `at` is due; None if that was the last."""
    delays = _delays(expires_at - issued_at, leads_hours)
    return min((issued_at + delay for delay in delays if issued_at + delay > at), default=None)


@lru_cache(maxsize=1024)  # asked for every coupon and lot; most are valid for one of a few periods
def _delays(validity: timedelta, leads_hours: tuple[int, ...]) -> list[timedelta]:
    return _notices(validity, leads_hours)


def _notices(validity: timedelta, leads_hours: Iterable[int]) -> list[timedelta]:
    """How long after the issue each notice is due."""
    leads = (timedelta(hours=hours) for hours in leads_hours)
    return [validity - lead for lead in leads if lead < validity]
