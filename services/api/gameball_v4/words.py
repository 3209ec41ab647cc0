"""What this dialect says of whatever goes wrong: a code, its category, and one sentence for each reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.api.edge.idempotency import HEADER
from services.api.edge.problems import STATUSES, Errors, Problem, Reason

INVALID: Final = "The request is not valid: see errors"
MESSAGES: Final[Mapping[Reason, str]] = {
    Reason.MALFORMED: "Malformed request",
    Reason.UNAUTHENTICATED: "Unauthorized: a valid apiKey is required",
    Reason.FORBIDDEN: "Forbidden",
    Reason.NOT_FOUND: "Not found",
    Reason.METHOD_NOT_ALLOWED: "Method not allowed",
    Reason.CONFLICT: "The state of things does not allow it: see reason",
    Reason.TOO_LARGE: "The body is too large",
    Reason.INVALID: INVALID,
    Reason.TOO_MANY_REQUESTS: "Too many requests",
    Reason.BROKEN: "Internal server error",
    Reason.UNAVAILABLE: "Service temporarily unavailable, try again",
    Reason.BODY_NOT_JSON: "The body is not valid JSON: {about}",
    Reason.BODY_NO_OBJECT: "The body must be a JSON {about}",
    Reason.BODY_TOO_LARGE: "The body must not exceed {about} bytes",
    Reason.BODY_TOO_WIDE: "The body must not have more than {about}",
    Reason.BODY_LATE: "The body did not come in time",
    Reason.SCOPE_MISSING: "Unauthorized: the secretKey of this apiKey is required",
    Reason.PARAMETERS_INVALID: INVALID,
    Reason.KEY_MALFORMED: INVALID,
    Reason.KEY_REUSED: f"The {HEADER} was used for another request",
    Reason.TOO_MANY_LOOKUPS: "Too many unknown codes, try again later",
}

NOT_FOUND: Final[Mapping[str | None, str]] = {
    "campaign_id": "Reward campaign not found",
    "handle": "Coupon group not found",
    "customerId": "Customer not found",
    "deliveryId": "Delivery not found",
    "eventId": "Event not found, or not decided yet",
    "couponId": "Coupon not found",
}
"""By the path parameter that names nothing, or could not name anything."""
UNKNOWN_IN_BODY: Final[Mapping[str | None, str]] = {
    "rule_not_found": "Redemption rule not found",
}
"""By the word for what a body names and nobody has, which is the answer's `reason`."""

PARAMETERS: Final[Mapping[str, str]] = {
    "lang": "Must be a language",
    "collectionId": "Must be the id of a collection",
    "productSku": "Must be an SKU",
    "customerId": "Must be between 1 and 128 characters",
    "limit": "Must be between 1 and 200",
    "startAfter": "Must be the id of the last one of the page before",
    "campaignId": "Must be the id of a campaign",
    "campaignType": "Must be reward, game or a type of campaigns",
    "expand": "Must be tier, referrals, or both with a comma between",
    "direction": "Must be + or -",
    "type": "Must be a type of transactions",
    "status": "Must be pending, held, delivered or dead",
    "couponId": "Must be the id of a coupon",
    "from": "Must be an instant such as 2026-11-01T00:00:00Z, or a date",
    "to": "Must be an instant such as 2026-11-01T00:00:00Z, or a date",
}
"""By query parameter; whatever has none here gets a general sentence."""
FALLBACK: Final = "Invalid value"
KEY_MALFORMED: Final[Errors] = {HEADER: ["Must be 1 to 255 visible ASCII characters"]}

OTHER_STATUSES: Final[Mapping[Reason, int]] = {
    Reason.SCOPE_MISSING: 401,
    Reason.KEY_REUSED: 409,
}
"""Where this dialect promises another one than the edge's table has."""

CODES: Final[Mapping[int, int]] = {
    400: 3016,
    401: 1000,
    403: 1002,
    404: 4004,
    405: 4000,
    408: 2000,
    409: 4000,
    413: 3000,
    422: 3003,
    429: 2001,
    500: 5000,
    503: 5000,
}
"""By status, unless the reason has one of its own."""
SECRET_KEY_MISSING: Final = 1001
CUSTOMER_UNKNOWN: Final = 7000
OF_CONFLICTS: Final[Mapping[str | None, int]] = {
    "transaction_exists": 9004,
    "insufficient_points": 9008,
    "below_minimum": 9008,
    "above_maximum": 9008,
}
"""By the word of a conflict that has a code of its own."""

CATEGORIES: Final[Mapping[int, str]] = {
    1: "AUTHENTICATION_ERROR",
    2: "REQUEST_ERROR",
    3: "PAYLOAD_ERROR",
    4: "GENERAL_ERROR",
    5: "SERVER_ERROR",
    7: "CUSTOMER_ERROR",
    9: "TRANSACTION_ERROR",
}
"""By the thousands of a code."""


def status_of(problem: Problem) -> int:
    """The status it is answered with."""
    return OTHER_STATUSES.get(problem.reason, STATUSES[problem.reason])


def code_of(problem: Problem) -> int:
    """The code, for programs."""
    if problem.reason is Reason.SCOPE_MISSING:
        return SECRET_KEY_MISSING
    if problem.reason is Reason.NOT_FOUND and problem.about == "customerId":
        return CUSTOMER_UNKNOWN
    if problem.reason is Reason.CONFLICT and problem.about in OF_CONFLICTS:
        return OF_CONFLICTS[problem.about]
    return CODES[status_of(problem)]


def message_of(problem: Problem) -> str:
    """The sentence."""
    if problem.reason is Reason.NOT_FOUND:
        named = {**NOT_FOUND, **UNKNOWN_IN_BODY}
        return named.get(problem.about, MESSAGES[problem.reason])
    return MESSAGES[problem.reason].format(about=problem.about)


def errors_of(problem: Problem) -> Errors:
    """The sentences by field, of what is not valid."""
    match problem.reason:
        case Reason.PARAMETERS_INVALID:
            return {name: [PARAMETERS.get(name, FALLBACK)] for name in problem.errors or ()}
        case Reason.KEY_MALFORMED:
            return KEY_MALFORMED
        case _:
            return problem.errors or {}
