"""When a delivery that has failed is tried again, and when it is given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from services.domain.webhooks.answers import AttemptError

RETRY_SECONDS: Final = (
    0, 5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800, 43_200, 43_200, 86_400,
)  # fmt: skip
"""Before each attempt, from the end of the failure before it: three days in all."""
FINAL_STATUSES: Final = frozenset({400, 404, 409, 413, 422})
"""Of an answer that will be no other one the next time."""
FINAL_ATTEMPTS: Final = 3
"""So often it is asked all the same: it may have been a mistake that somebody mends."""
ASKS_FOR_TIME: Final = frozenset({429, 503})
MOST_OF_PAUSE: Final = 4
"""So many times the next pause is waited for who asks for time."""
JITTER: Final = 0.1
JITTER_ABOVE_SECONDS: Final = 60


def schedule_of(value: object) -> object:
    """`0,5,30` as a schedule: as many attempts as numbers. Raises ValueError; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",")]
    is_right = all(part.isascii() and part.isdigit() and len(part) < 8 for part in parts)
    if not is_right or int(parts[0]) != 0:
        raise ValueError("must be whole seconds, the first of them 0, like 0,5,30")
    return tuple(map(int, parts))


def pause_after(
    schedule: Sequence[int],
    tries: int,
    *,
    draw: float,
    status: int | None = None,
    error: AttemptError | None = None,
    retry_after: float | None = None,
) -> float | None:
    """Seconds until the next attempt after so many `tries`, the last of which had this end; None: it is given up.

    `draw` is a number from 0 up to 1: those who failed together shall not come back together. `retry_after`: seconds
    that the answer asks for.
    """
    is_final = status in FINAL_STATUSES or error is AttemptError.CODE_TAKEN
    if tries >= len(schedule) or (is_final and tries >= FINAL_ATTEMPTS):
        return None
    pause = float(schedule[tries])
    if retry_after is not None and status in ASKS_FOR_TIME:
        pause = max(pause, min(retry_after, MOST_OF_PAUSE * pause))
    if pause > JITTER_ABOVE_SECONDS:
        pause *= 1 + JITTER * (2 * draw - 1)
    return pause


def seconds_asked_for(retry_after: str | None, now: datetime) -> float | None:
    """What a `Retry-After` says: seconds, or an instant; None where it says nothing that can be read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None
