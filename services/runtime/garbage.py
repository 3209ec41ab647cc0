"""Look for reference cycles between batches instead of every 700 objects, as is Python's habit.

A batch makes tens of thousands of objects and hardly a cycle, so looking during it takes several percent of the time
and finds nothing; never looking lets the few cycles (a task and its exception, say) keep whole batches alive.
"""

from __future__ import annotations

import gc

RECORDS_BETWEEN_LOOKS = 20_000
"""Looking after every 2,000 took 5 % of an issuer's time and kept its peak no lower (133 MB both ways)."""
LOOKS_BETWEEN_THOROUGH_ONES = 4
"""The framework's own call of a handler is a cycle that holds the whole poll, 6 MB of it, until it is found."""

_records = 0
_looks = 0


def look_only_when_told() -> None:
    """Call once, when everything is imported: what exists by then is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.disable()


def worked_on(records: int) -> None:
    """Call after each batch: look when enough has been worked on, now and then thoroughly."""
    global _records, _looks
    _records += records
    if _records < RECORDS_BETWEEN_LOOKS or gc.isenabled():
        return
    _records, _looks = 0, _looks + 1
    gc.collect(2 if _looks % LOOKS_BETWEEN_THOROUGH_ONES == 0 else 1)
