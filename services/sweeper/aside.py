"""What cannot be settled is set aside, so that one bad row stops nothing but itself."""

from __future__ import annotations

import logging
import time

from services.decisions.passing_time import CannotSettle

BATCH = 250
"""Of one transaction: small enough that an issuer waiting for one of the customers hardly notices."""
TRIED_AGAIN_AFTER_SECONDS = 60.0
"""What could not be settled rests so long."""

log = logging.getLogger(__name__)


class Aside:
    """What cannot be settled, so that one bad row stops nothing but itself; each is tried again after a while.

    Found by halving: what is due first comes first, so the batch shrinks until the guilty one stands alone in it.
    """

    def __init__(self, what: str) -> None:
        """`what` they are, in words."""
        self.what = what
        self.batch = BATCH
        self._until: dict[str, float] = {}
        self._why: dict[str, str] = {}

    def ids(self) -> list[str]:
        """Those to leave alone now."""
        now = time.monotonic()
        return [id_ for id_, until in self._until.items() if until > now]

    def failed(self, error: CannotSettle) -> None:
        """Of these at least one is bad."""
        if len(error.ids) > 1:
            self.batch = max(1, len(error.ids) // 2)
            return
        for id_ in error.ids:
            self._until[id_] = time.monotonic() + TRIED_AGAIN_AFTER_SECONDS
            self._why[id_] = repr(error.__cause__)
            log.error("%s %s cannot be settled: %r", self.what, id_, error.__cause__)
        self.batch = BATCH

    def worked(self) -> None:
        """What was asked for was settled: back to whole batches, and those whose time has come were among them."""
        self.batch = min(BATCH, self.batch * 2)
        now = time.monotonic()
        for id_ in [id_ for id_, until in self._until.items() if until <= now]:
            del self._until[id_], self._why[id_]

    def warning(self) -> str | None:
        """None, or how many are set aside, and the first of them."""
        for id_, why in self._why.items():
            return f"{len(self._why)} {self.what}s cannot be settled, the first is {id_}: {why}"
        return None
