"""Bodies of errors: `{"code", "type", "message", "documentationUrl", "requestId"}`, and more where more is known."""

from __future__ import annotations

from typing import Any, Final

from services.api.edge.problems import Problem, Reason
from services.api.gameball_v4.words import (
    CATEGORIES,
    UNKNOWN_IN_BODY,
    code_of,
    errors_of,
    message_of,
    status_of,
)

DOCUMENTATION: Final = "/docs"
"""The page of this service that describes every operation."""
REPLAYED: Final = {"idempotent-replayed": "true"}
"""Headers of an answer that was given before."""


class Refusal(Problem):
    """409: the state of things does not allow it; `word` says why, for programs."""

    def __init__(self, word: str) -> None:
        super().__init__(Reason.CONFLICT, word)


def failure(problem: Problem, request_id: str) -> tuple[int, dict[str, Any]]:
    """The body and its status: `errors` by dotted path on 422, `reason` on 409 and of what a body names in vain."""
    status, code = status_of(problem), code_of(problem)
    body: dict[str, Any] = {
        "code": code,
        "type": CATEGORIES[code // 1000],
        "message": message_of(problem),
        "documentationUrl": DOCUMENTATION,
        "requestId": request_id,
    }
    if status == 422:
        body["errors"] = errors_of(problem)
    if status == 409:
        is_word = problem.reason is Reason.CONFLICT and problem.about
        body["reason"] = problem.about if is_word else problem.reason
    if status == 404 and problem.about in UNKNOWN_IN_BODY:
        body["reason"] = problem.about
    return status, body
