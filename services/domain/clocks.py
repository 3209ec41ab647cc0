"""Whether the database's clock is to be believed: all decisions are timed by it, so a wrong one does lasting harm.

One clock cannot say that it is wrong, and of two nobody knows which. So the database's counts as wrong only when it is
far from every other one that is known.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

MAX_CLOCK_DISTANCE = timedelta(minutes=5)
"""As far as a producer's clock may be ahead: what differs by less does no harm that the rules do not allow for."""


def apart(database: datetime, others: Collection[datetime]) -> timedelta | None:
    """How far the database's clock is ahead of the nearest other one (negative: behind), if it is far from each.

    None: one of them agrees with it, or there is none to compare it with.
    """
    if not others:
        return None
    nearest = min((database - other for other in others), key=abs)
    return nearest if abs(nearest) > MAX_CLOCK_DISTANCE else None
