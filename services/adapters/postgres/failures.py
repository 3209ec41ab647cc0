"""Which failures are outages, which are lost races, and which are the batch's own fault.

An outage is waited for, however long: treating it as poison would turn good events into dead letters. Only what
the data itself can cause counts against a batch, and then the batch is halved until the guilty record is alone.
"""

from __future__ import annotations

from enum import Enum, auto

import asyncpg


class LostRace(Exception):
    """Somebody else changed what this batch was decided upon: roll back, load again, decide again."""


class Kind(Enum):
    """What to do about a failure: decide again at once, wait for the server, or look for the guilty record."""

    LOST_RACE = auto()
    OUTAGE = auto()
    FAULT = auto()


_LOST_RACES = (
    LostRace,
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
_OUTAGES = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# SQLSTATE classes that a record's data can cause: data exceptions, integrity violations, limits of a row or an index
# exceeded, and whatever a trigger or function raises.
_FAULT_CLASSES = ("22", "23", "54", "P0")


def kind_of(error: Exception) -> Kind:
    """Which of the three a failure of a batch is."""
    if isinstance(error, _LOST_RACES):
        return Kind.LOST_RACE
    if isinstance(error, asyncpg.PostgresError):  # also for a value that the client itself refuses
        return Kind.FAULT if (error.sqlstate or "").startswith(_FAULT_CLASSES) else Kind.OUTAGE
    return Kind.OUTAGE if isinstance(error, _OUTAGES) else Kind.FAULT
