"""What a stop signal means while no event loop runs: nothing is in hand, so leave at once with exit code 0.

Imports nothing heavy: the command line calls it before it imports the service itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def leave_at_once() -> None:
    """Make SIGTERM and SIGINT end this process with exit code 0: while it starts, and after its work."""
    on_stop(lambda: os._exit(0))


def on_stop(act: Callable[[], object]) -> None:
    """Call `act` in the main thread on SIGTERM and SIGINT, in place of what was done before."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: act())
