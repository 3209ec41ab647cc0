"""Look for reference cycles between batches instead of every 700 objects, as is Python's habit.

A batch makes tens of thousands of objects and hardly a cycle, so looking during it takes several percent of the time
and finds nothing; never looking lets the few cycles (a task and its exception, say) keep whole batches alive.
"""

from __future__ import annotations

import gc

RECORDS_BETWEEN_LOOKS = 20_000
"""Never more often: looking after every 2,000 took 5 % of an issuer's time and kept its peak no lower."""
BATCHES_BETWEEN_LOOKS = 100
OBJECTS_WORTH_A_LOOK = 250_000
"""A look goes through whatever was made since the last one and is still there, and that is mostly the batches in hand:
70,000 objects, 25 to 50 ms, in two lanes. So many more are some batches that nobody has in hand."""
LOOKS_BETWEEN_THOROUGH_ONES = 4
"""What was still in use at one look, and is a cycle now, is found by these alone."""

_records = 0
_batches = 0
_looks = 0


def look_at_what_is_new() -> None:
    """Call once, when everything is imported: what exists by then is never looked at again, the rest as is the habit.

    For a process that answers requests: a thorough look at all that is imported keeps every one of them waiting, 70 ms.
    """
    gc.collect()
    gc.freeze()


def look_only_when_told() -> None:
    """Call once, when everything is imported: the same, and nothing else is looked at but by `worked_on`."""
    look_at_what_is_new()
    gc.disable()


def worked_on(records: int) -> None:
    """Call after each batch: look when it may be worth it, now and then thoroughly."""
    global _records, _batches, _looks
    _records, _batches = _records + records, _batches + 1
    if _records < RECORDS_BETWEEN_LOOKS or gc.isenabled():
        return
    # Made and not dropped since the last look: Python counts them also while it does not look by itself.
    if _batches < BATCHES_BETWEEN_LOOKS and gc.get_count()[0] < OBJECTS_WORTH_A_LOOK:
        return
    _records, _batches, _looks = 0, 0, _looks + 1
    gc.collect(2 if _looks % LOOKS_BETWEEN_THOROUGH_ONES == 0 else 1)
