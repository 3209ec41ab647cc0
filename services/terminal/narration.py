"""What is going on, for people, on stderr: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console


@contextlib.contextmanager
def narration() -> Iterator[Callable[[str], None]]:
    """Yields a function that shows one line. Never fails: nobody may be left to read it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield tell
        return
    with console.status("starting") as status:
        yield status.update


def tell(line: str) -> None:
    """One lasting line on stderr."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)
