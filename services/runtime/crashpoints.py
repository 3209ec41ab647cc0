"""Named points at which a test may kill this process, as a power cut would.

`COUPONRY_CRASH_AT=name` (or `name:3` for the third time it is reached) together with
`COUPONRY_ALLOW_CRASH_POINTS=1`. Without both settings a point costs one comparison.
"""

from __future__ import annotations

import os
import signal

_armed: str | None = None
_remaining = 0


def arm(crash_at: str | None) -> None:
    """Choose the point from the settings; None disarms."""
    global _armed, _remaining
    name, _, count = (crash_at or "").partition(":")
    _armed, _remaining = (name or None), int(count or 1)


def reach(name: str) -> None:
    """Die here by SIGKILL if this is the armed point and its turn."""
    global _remaining
    if name != _armed:
        return
    _remaining -= 1
    if _remaining <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
