"""Bodies of errors: those of v4, with this dialect's own sentences, and 403 where a token may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.api.edge.problems import Problem, Reason
from services.api.gameball_v4 import failures as v4

MESSAGES: Final[Mapping[Reason, str]] = {
    Reason.UNAUTHENTICATED: "Unauthorized: a valid token and the storeId of its partner are required",
    Reason.SCOPE_MISSING: "Forbidden: the token lacks the scope {about}",
}
"""By reason, where v4 speaks of its keys."""
NOT_FOUND: Final[Mapping[str | None, str]] = {"ruleId": "Redemption rule not found"}
"""By the path parameter that names nothing, or could not name anything."""


def failure(problem: Problem, request_id: str) -> tuple[int, dict[str, Any]]:
    """The body and its status: `errors` by dotted path on 422, `reason` on 409."""
    is_forbidden = problem.reason is Reason.SCOPE_MISSING
    said = Problem(Reason.FORBIDDEN, problem.about) if is_forbidden else problem
    status, body = v4.failure(said, request_id)
    own = MESSAGES.get(problem.reason)
    if problem.reason is Reason.NOT_FOUND:
        own = NOT_FOUND.get(problem.about)
    return status, body if own is None else {**body, "message": own.format(about=problem.about)}
