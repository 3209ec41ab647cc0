"""What keeps a request from being done, in no dialect's words: a reason with its status, and what it is about.

Whoever finds out raises `Problem`; the dialect of the request's path says it in a body of its own. None tells whether
something of another partner exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import islice
from typing import Any, Final, ParamSpec, TypeVar

from schemas.definitions import MOST_ERRORS, InvalidDefinition

P = ParamSpec("P")
D = TypeVar("D")

Errors = Mapping[str, list[str]]
"""Messages by dotted path of the field they concern."""


class Reason(StrEnum):
    """Why, for programs: one that says no more than its status, then those that know more."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    INVALID = "invalid"
    TOO_MANY_REQUESTS = "too_many_requests"
    BROKEN = "broken"
    UNAVAILABLE = "unavailable"

    BODY_NOT_JSON = "body_not_json"
    BODY_NO_OBJECT = "body_no_object"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TOO_WIDE = "body_too_wide"
    BODY_LATE = "body_late"
    SCOPE_MISSING = "scope_missing"
    PARAMETERS_INVALID = "parameters_invalid"
    KEY_MALFORMED = "key_malformed"
    KEY_REUSED = "key_reused"
    TOO_MANY_LOOKUPS = "too_many_lookups"


STATUSES: Final[Mapping[Reason, int]] = {
    Reason.MALFORMED: 400,
    Reason.UNAUTHENTICATED: 401,
    Reason.FORBIDDEN: 403,
    Reason.NOT_FOUND: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.CONFLICT: 409,
    Reason.TOO_LARGE: 413,
    Reason.INVALID: 422,
    Reason.TOO_MANY_REQUESTS: 429,
    Reason.BROKEN: 500,
    Reason.UNAVAILABLE: 503,
    Reason.BODY_NOT_JSON: 400,
    Reason.BODY_NO_OBJECT: 400,
    Reason.BODY_TOO_LARGE: 413,
    Reason.BODY_TOO_WIDE: 413,
    Reason.BODY_LATE: 408,
    Reason.SCOPE_MISSING: 403,
    Reason.PARAMETERS_INVALID: 422,
    Reason.KEY_MALFORMED: 422,
    Reason.KEY_REUSED: 422,
    Reason.TOO_MANY_LOOKUPS: 429,
}
"""The one table of statuses. A dialect that promises another one answers with that."""

RETRY_SECONDS: Final = 1

_GENERAL: Final[Mapping[int, Reason]] = {STATUSES[reason]: reason for reason in reversed(Reason)}


class Problem(Exception):
    """Answer with this instead. Whatever the request had changed is rolled back.

    `about` names the scope, the path parameter, the limit or the fault the reason speaks of; `headers` the answer's.
    """

    def __init__(
        self,
        reason: Reason,
        about: str | None = None,
        *,
        errors: Errors | None = None,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason if about is None else f"{reason}: {about}")
        self.reason = reason
        self.status = STATUSES[reason]
        self.about = about
        self.errors = errors
        self.details = details
        self.headers = headers


def general(status: int) -> Reason:
    """The reason that says no more than this status; of a status without one, MALFORMED."""
    return _GENERAL.get(status, Reason.MALFORMED)


def not_found(parameter: str) -> Problem:
    """404 for what this path parameter names: unknown, or another partner's."""
    return Problem(Reason.NOT_FOUND, parameter)


def unavailable() -> Problem:
    """503: the same request may work when it comes again, and is told when that is worth a try."""
    return Problem(Reason.UNAVAILABLE, headers={"retry-after": str(RETRY_SECONDS)})


def invalid(errors: Errors) -> Problem:
    """422 with messages by field, of so many as one answer names."""
    return Problem(Reason.INVALID, errors=dict(islice(errors.items(), MOST_ERRORS)))


def defined(read: Callable[P, D], *values: P.args, **options: P.kwargs) -> D:
    """What `read` makes of these values; 422 with its messages where it refuses them."""
    try:
        return read(*values, **options)
    except InvalidDefinition as error:
        raise invalid(error.errors) from None
