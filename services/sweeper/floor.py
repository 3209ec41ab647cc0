"""From which instant on the sweeper looks for what is due: not over all that it has settled already.

The index keeps an entry of each coupon that was settled until a vacuum, and while any old snapshot is open (a backup,
`verify`) each of them costs a look at the table, again for every batch. So a look begins where the first coupon of the
look before was due. What comes to be due before that later on (a step that was long in committing, a clock that was set
back, a row that was set aside or mended by hand) is found by a look from the beginning, now and then.
"""

from __future__ import annotations

import time
from datetime import datetime

from services.adapters.postgres.coupons import BEGINNING

FROM_THE_BEGINNING_EVERY_SECONDS = 60.0


class DueFloor:
    """Remembers it for one sweeper."""

    def __init__(self) -> None:
        self._at = BEGINNING
        self._fell_at = time.monotonic()

    def next(self) -> datetime:
        """For the look that follows."""
        if time.monotonic() - self._fell_at >= FROM_THE_BEGINNING_EVERY_SECONDS:
            self._at = BEGINNING
            self._fell_at = time.monotonic()
        return self._at

    def rise(self, due_from: datetime | None) -> None:
        """A look from the floor has found nothing before this; None: it has found nothing at all."""
        if due_from is not None:
            self._at = due_from
