"""What a route of this dialect answers and asks for, for the OpenAPI description."""

from __future__ import annotations

from typing import Any, Final

from schemas.gameball_v4.answers import ApiConflict, ApiError, ApiFieldErrors
from services.api.gameball_v4.keys import API_KEY, SECRET_KEY

SECURITY: Final[dict[str, dict[str, Any]]] = {
    "apiKey": {"type": "apiKey", "in": "header", "name": API_KEY},
    "secretKey": {"type": "apiKey", "in": "header", "name": SECRET_KEY},
}
READS: Final[dict[str, Any]] = {"security": [{"apiKey": []}]}
"""`openapi_extra` of a route that the API key alone opens; any other asks for both."""

ERRORS: Final[dict[int, str]] = {
    400: "The body is no JSON.",
    401: "No valid API key; or, where something is changed, not its secret key.",
    403: "This is for somebody else to do.",
    404: "Unknown, or another partner's.",
    408: "The body did not come in time.",
    409: "The state of things does not allow it.",
    413: "The body is too large.",
    422: "A field or parameter breaks its rule.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "Try again.",
}
_SHAPES: Final = {409: ApiConflict, 422: ApiFieldErrors}


def gives(
    status: int, model: Any, description: str, *errors: int
) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: its success, and the errors it knows besides those that every route has."""
    known: dict[int | str, dict[str, Any]] = {status: {"model": model, "description": description}}
    for code in sorted({401, 403, 404, 408, 413, 422, 429, 503, *errors}):
        known[code] = {"model": _SHAPES.get(code, ApiError), "description": ERRORS[code]}
    return known
