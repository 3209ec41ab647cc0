"""Run works side by side and fail as one of them would have failed alone.

A task group raises a group of errors: the one that began it, and whatever the other works raised while they were being
ended (a client that was cut off in the middle has much to say). Only the first is a reason, and callers that turn
reasons into a line or an exit code know single errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def side_by_side(*works: Coroutine[Any, Any, object]) -> None:
    """Return when all have returned. The first to fail ends the others, and its error is raised as it is.

    What the others raise then is a note on it, for its traceback. Cancelled from outside, it raises CancelledError
    whatever they raise.
    """
    if not works:
        return
    tasks = [asyncio.ensure_future(work) for work in works]
    ended: list[asyncio.Task[object]] = []
    for task in tasks:
        task.add_done_callback(ended.append)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        leaked = any(task.cancelled() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    errors = [error for task in ended if not task.cancelled() and (error := task.exception())]
    if errors:
        first, *others = errors
        for other in others:
            first.add_note(f"While it was ended, another work raised {other!r}")
        raise first
    if leaked:
        # To asyncio that is an end like any other, and half of the work would pass for all of it.
        raise RuntimeError("a work was cancelled although nobody had ended it")
