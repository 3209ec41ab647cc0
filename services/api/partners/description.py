"""What a route of this dialect answers, for the OpenAPI description."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from schemas.partners.answers import Failure, InvalidFields

ERRORS: Final[dict[int, str]] = {
    400: "The body is no JSON object, or a rule of the business stands in the way.",
    401: "No valid token.",
    403: "The token lacks the scope, or this is for somebody else to do.",
    404: "Unknown, or another partner's.",
    408: "The body did not come in time.",
    409: "The state of things does not allow it.",
    413: "The body is too large.",
    422: "A field or parameter breaks its rule.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "Try again.",
}


def gives(
    status: int, model: type[BaseModel], description: str, *errors: int
) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: its success, and the errors it knows besides those that every route has."""
    known: dict[int | str, dict[str, Any]] = {status: {"model": model, "description": description}}
    for code in sorted({401, 403, 404, 408, 413, 422, 429, 503, *errors}):
        known[code] = {
            "model": InvalidFields if code == 422 else Failure,
            "description": ERRORS[code],
        }
    return known
