"""Bodies of answers: everything this dialect says is `{"success", "code", …}`. Every error carries the request's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.api.edge.problems import Problem, general
from services.api.edge.reply import Reply
from services.api.partners.messages import errors_of, message_of

REPLAYED: Final = {"idempotent-replayed": "true"}
"""Headers of an answer that was given before."""


class Refusal(Problem):
    """A rule of the business stands in the way, said in the route's own words; `error_code` is for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error_code: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(general(status), message, details=details)
        self.message = message
        self.error_code = error_code


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


def failure(problem: Problem, request_id: str) -> tuple[int, dict[str, Any]]:
    """`{"success": false, "code", "message", "errors"?, "details"?, "error_code"?, "request_id"}` and its status."""
    refusal = problem if isinstance(problem, Refusal) else None
    body: dict[str, Any] = {
        "success": False,
        "code": problem.status,
        "message": refusal.message if refusal else message_of(problem),
    }
    more = {
        "errors": errors_of(problem),
        "details": problem.details,
        "error_code": refusal.error_code if refusal else None,
    }
    body |= {name: value for name, value in more.items() if value is not None}
    body["request_id"] = request_id
    return problem.status, body
