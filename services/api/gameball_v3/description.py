"""What a route of this dialect answers, for the OpenAPI description."""

from __future__ import annotations

from typing import Any, Final

from services.api.edge.description import BEARER
from services.api.gameball_v3.access import STORE_ID
from services.api.gameball_v4 import description as v4

SECURITY: Final[dict[str, dict[str, Any]]] = {
    "partnerToken": BEARER,
    STORE_ID: {"type": "apiKey", "in": "header", "name": STORE_ID},
}
ERRORS: Final[dict[int, str]] = {
    401: "No valid token, or the storeId is not that of its partner.",
    403: "The token lacks the scope, or this is for somebody else to do.",
}


def gives(
    status: int, model: Any, description: str, *errors: int
) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: its success, and the errors it knows besides those that every route has."""
    known = v4.gives(status, model, description, *errors)
    for code, text in ERRORS.items():
        known[code] = {**known[code], "description": text}
    return known
