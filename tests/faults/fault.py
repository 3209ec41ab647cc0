"""What a fault is: a name, a sentence, and what it does to the system until it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from tests.faults.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`act` returns when the fault is over, with the tags of what it made the system forget, if anything.

    `may_repeat`: messages may be out twice because of it.
    """

    name: str
    about: str
    act: Callable[[System], Awaitable[Collection[str]]]
    may_repeat: bool = False


class NotReached(AssertionError):
    """What the fault was to do did not happen, so nothing is shown by it."""
