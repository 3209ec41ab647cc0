"""Bodies of answers, and the one table of errors: everything this dialect says is `{"success", "code", …}`.

A route raises `Problem` (or one of the constructors below) to answer anything but a success. Every error carries the
request's id; none tells whether something of another partner exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

Errors = Mapping[str, list[str]]
"""Messages by dotted path of the field they concern."""

UNAUTHORIZED: Final = "Unauthorized. Valid JWT token required."
MESSAGES: Final[Mapping[int, str]] = {
    400: "Malformed request",
    401: UNAUTHORIZED,
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "The body is too large",
    422: "Validation failed",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service temporarily unavailable, try again",
}
"""What is said of a status when nothing more exact is known."""

NOT_FOUND: Final[Mapping[str, str]] = {
    "game_id": "Game not found",
    "card_id": "Partner card not found",
    "shop_id": "Shop not found",
    "product_id": "Product not found",
    "coupon_id": "Coupon not found",
}
"""By the path parameter that names nothing, or could not name anything."""


class Problem(Exception):
    """Answer with this status instead. Whatever the request had changed is rolled back."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        errors: Errors | None = None,
        details: Mapping[str, Any] | None = None,
        error_code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message or MESSAGES[status])
        self.status = status
        self.message = message or MESSAGES[status]
        self.errors = errors
        self.details = details
        self.error_code = error_code
        self.headers = headers


def not_found(parameter: str) -> Problem:
    """404 for what this path parameter names: unknown, or another partner's."""
    return Problem(404, NOT_FOUND[parameter])


def invalid(errors: Errors) -> Problem:
    """422 with messages by field."""
    return Problem(422, errors=errors)


class Reply(Response):
    """A JSON answer that is encoded once."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Bytes as they are (a stored answer), anything else as JSON."""
        return content if isinstance(content, bytes) else orjson.dumps(content)


def success(
    data: Any = None,
    *,
    status: int = 200,
    message: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Reply:
    """`{"success": true, "code", "message"?, "data"?, …}`; a message or data of None is left out."""
    body: dict[str, Any] = {"success": True, "code": status}
    if message is not None:
        body["message"] = message
    if data is not None:
        body["data"] = data
    return Reply(body | more, status_code=status, headers=headers)


def failure(problem: Problem, request_id: str) -> Reply:
    """`{"success": false, "code", "message", "errors"?, "details"?, "error_code"?, "request_id"}`."""
    body: dict[str, Any] = {
        "success": False,
        "code": problem.status,
        "message": problem.message,
    }
    for name in ("errors", "details", "error_code"):
        if (value := getattr(problem, name)) is not None:
            body[name] = value
    body["request_id"] = request_id
    return Reply(body, status_code=problem.status, headers=problem.headers)
