"""The console script: answers signals from the first moment, then loads the command and runs it.

What runs until it is told to stop (`RUN_UNTIL_TOLD`) ends with 0 on SIGTERM, also while it is still starting. Any other
command that is terminated has not done its work and says so: 128 + the signal's number.
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from services.runtime.processes import PROCESSES
from services.runtime.signals import leave_at_once

RUN_UNTIL_TOLD = frozenset({"up", *PROCESSES})


def run() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    arguments = sys.argv[1:]
    if RUN_UNTIL_TOLD.intersection(arguments[:1]):
        leave_at_once()
    else:
        signal.signal(signal.SIGTERM, _terminated)
    # Imported here, with signals already answered: this takes most of the start-up time.
    from services.cli.commands import execute

    sys.exit(execute(arguments))


def _terminated(number: int, _frame: object) -> NoReturn:
    """Leave through every `finally`, so that what was begun is rolled back and what was started is stopped."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    run()
