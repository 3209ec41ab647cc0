"""What an error of Postgres, or of the line to it, means: the one place that says so.

Of the four kinds of error (a refusal, poison, an outage, a bug) the database causes two; the rest is a batch's own:

    kind        what it is                                    who decides records    who only asks again
    ----------  --------------------------------------------  ---------------------  -----------------------
    LOST_RACE   LostRace, and CONFLICTS: somebody else came   decides again, at once  asks again, see below
                first
    OUTAGE      OUTAGES, and any other answer that no         waits, however long     waits, however long
                record's data can cause: full, busy, not
                migrated, no right
    FAULT       what data can cause (SQLSTATE 22, 23, 54,     halves the batch until  OF_POSTGRES waits;
                P0), and whatever is not of Postgres at all:  the guilty record is a  the rest is a bug and
                a bug                                         dead letter, or waits   ends the process
                                                              for us (a bug)

A timeout (`is_timeout`) is an outage to everybody but who decides records: a batch is divided then, and the record
that times out alone waits.

An outage is waited for: treating it as poison would turn good events into dead letters. Whoever decides records (the
issuer, redrive, replay) asks `kind_of`. The others name what they can do something about, and why it is not the same:

    OF_POSTGRES   relay, sweeper, the API's start: none of their statements depends on what a row contains, so
                  whatever Postgres says, they ask again
    OVERTAKEN     the sweeper: begun again in silence. A unique violation of its own is no race, and set aside in view
    TRY_AGAIN     a request of the API: 503. What is not named is a bug in that request: 500
    UNUSABLE      a command: one line and exit 2, without waiting. What is not named is a bug: its traceback
    CONFLICTS     a change by staff: begun again in a transaction of its own, then 503
"""

from __future__ import annotations

from enum import Enum, auto

import asyncpg


class LostRace(Exception):
    """Somebody else changed what this batch was decided upon: roll back, load again, decide again."""


class SomebodyWaits(Exception):
    """A record waits for one of these customers: see first whether theirs wait behind it."""


class KeyCollision(Exception):
    """Two different events share an event key: told apart by their full texts, never dropped as a repeat."""


class ClockApart(Exception):
    """The database's clock is far from every other one that is known: decide nothing until it agrees. An outage."""


class WentBack(Exception):
    """The database has forgotten what it had decided: read that again first. An outage."""


class SchemaBehind(Exception):
    """The schema is older than this release: wait until somebody has migrated. An outage."""


class Kind(Enum):
    """What to do about a failure: decide again at once, wait for the server, or look for the guilty record."""

    LOST_RACE = auto()
    OUTAGE = auto()
    FAULT = auto()


Errors = tuple[type[Exception], ...]

OUTAGES: Errors = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a client that was frozen hears when the server has ended its session
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    ClockApart,
    WentBack,
    SchemaBehind,
)
"""The server is away or let go of us: try again later with backoff. Nothing is wrong with the data."""

OF_POSTGRES: Errors = (*OUTAGES, asyncpg.PostgresError)
"""Whatever Postgres, its client or the line to it says."""

CONFLICTS: Errors = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""Of two at once one has to begin again, and will then see what the other did."""

OVERTAKEN: Errors = (LostRace, asyncpg.DeadlockDetectedError)
"""Somebody else was at the same customers: nothing was settled, and nothing is wrong."""

TRY_AGAIN: Errors = (
    *OUTAGES,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,  # a newer release migrates: the next one is planned anew
)
"""The database is away, busy or gave way to somebody else: nothing was changed, and the same request may work."""

UNSERVED: Errors = (
    *TRY_AGAIN,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
)
"""The same, or the server refuses everybody: full, read-only, or not ours. Nothing is wrong with the request."""

UNUSABLE: Errors = (
    *OUTAGES,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
)
"""Reasons why a command cannot use the Postgres that was named, or cannot now. A traceback would end with exit code 1,
which of `verify` means that an invariant is violated."""

# SQLSTATE classes that a record's data can cause: data exceptions, integrity violations, limits of a row or an index
# exceeded, and whatever a trigger or function raises.
TRANSACTION_TIMEOUT = "25P04"

_FAULT_CLASSES = ("22", "23", "54", "P0")


def kind_of(error: Exception) -> Kind:
    """Which of the three a failure of a batch is."""
    if isinstance(error, (LostRace, *CONFLICTS)):
        return Kind.LOST_RACE
    if isinstance(error, asyncpg.PostgresError):  # also for a value that the client itself refuses
        return Kind.FAULT if (error.sqlstate or "").startswith(_FAULT_CLASSES) else Kind.OUTAGE
    return Kind.OUTAGE if isinstance(error, OUTAGES) else Kind.FAULT


def is_timeout(error: Exception) -> bool:
    """Whether a server that is there gave up waiting: for a lock, a statement or us."""
    timeouts = asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError
    if isinstance(error, (*timeouts, asyncpg.IdleInTransactionSessionTimeoutError)):
        return True
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == TRANSACTION_TIMEOUT


def is_of_postgres(error: Exception) -> bool:
    """Whether to ask again is right for whoever depends on no row's content."""
    return isinstance(error, OF_POSTGRES)
