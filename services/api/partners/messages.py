"""What this dialect says of whatever goes wrong: one sentence for each reason, path parameter and query parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.api.edge.idempotency import HEADER
from services.api.edge.problems import Errors, Problem, Reason
from services.api.partners.parameters import MOST_PER_PAGE

INVALID: Final = "Validation failed"
MESSAGES: Final[Mapping[Reason, str]] = {
    Reason.MALFORMED: "Malformed request",
    Reason.UNAUTHENTICATED: "Unauthorized. Valid JWT token required.",
    Reason.FORBIDDEN: "Forbidden",
    Reason.NOT_FOUND: "Not found",
    Reason.METHOD_NOT_ALLOWED: "Method not allowed",
    Reason.CONFLICT: "Conflict",
    Reason.TOO_LARGE: "The body is too large",
    Reason.INVALID: INVALID,
    Reason.TOO_MANY_REQUESTS: "Too many requests",
    Reason.BROKEN: "Internal server error",
    Reason.UNAVAILABLE: "Service temporarily unavailable, try again",
    Reason.BODY_NOT_JSON: "The body is not valid JSON: {about}",
    Reason.BODY_NO_OBJECT: "The body must be a JSON object",
    Reason.BODY_TOO_LARGE: "The body must not exceed {about} bytes",
    Reason.BODY_TOO_WIDE: "The body must not have more than {about}",
    Reason.BODY_LATE: "The body did not come in time",
    Reason.SCOPE_MISSING: "Forbidden. The token lacks the scope {about}.",
    Reason.PARAMETERS_INVALID: INVALID,
    Reason.KEY_MALFORMED: INVALID,
    Reason.KEY_REUSED: INVALID,
    Reason.TOO_MANY_LOOKUPS: "Too many unknown codes, try again later",
}

NOT_FOUND: Final[Mapping[str | None, str]] = {
    "game_id": "Game not found",
    "card_id": "Partner card not found",
    "shop_id": "Shop not found",
    "product_id": "Product not found",
    "coupon_id": "Coupon not found",
    "customer_id": "Customer not found",
}
"""By the path parameter that names nothing, or could not name anything."""

PARAMETERS: Final[Mapping[str, str]] = {
    "page": "Must be a number from 1 up",
    "per_page": f"Must be between 1 and {MOST_PER_PAGE}",
    "active": "Must be true or false",
    "is_active": "Must be true or false",
    "dry_run": "Must be true or false",
    "game_type": "Invalid game type provided",
    "shop_id": "Must be a shop id",
    "game_id": "Must be a game id",
    "customer_id": "Must be between 1 and 128 characters",
    "status": "Must be active, reserved (or pending), redeemed (or used), expired, cancelled or all",
    "from": "Must be a day, like 2026-03-01",
    "to": "Must be a day, like 2026-03-01",
}
"""By query parameter; whatever has none here gets a general sentence."""
FALLBACK: Final = "Invalid value"

KEYS: Final[Mapping[Reason, Errors]] = {
    Reason.KEY_MALFORMED: {HEADER: ["Must be 1 to 255 visible ASCII characters"]},
    Reason.KEY_REUSED: {HEADER: ["Was used for another request"]},
}


def message_of(problem: Problem) -> str:
    """The sentence."""
    if problem.reason is Reason.NOT_FOUND and problem.about in NOT_FOUND:
        return NOT_FOUND[problem.about]
    return MESSAGES[problem.reason].format(about=problem.about)


def errors_of(problem: Problem) -> Errors | None:
    """The sentences by field."""
    if problem.reason is Reason.PARAMETERS_INVALID:
        return {name: [PARAMETERS.get(name, FALLBACK)] for name in problem.errors or ()}
    return KEYS.get(problem.reason, problem.errors)
