"""What a dialect tells the edge about itself: its paths, its routes, who calls, and how it says what went wrong.

`asgi.py` chooses it by the request's path, before anything can fail; from there on it stands in the ASGI scope. What
its successes look like is between its routes and its callers.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request

from services.api.edge.problems import Problem
from services.api.edge.reply import Reply

USUAL_BODY_BYTES: Final = 64 * 1024
LARGEST_BODY_BYTES: Final = 4 * 1024 * 1024
"""Two images of 1 MiB in base64, and everything else."""
DIALECT: Final = "couponry.dialect"
"""Key of the ASGI scope: the dialect that the request is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, verified. `key` stands for the credential where it is counted; `actor` where it is recorded."""

    partner_id: int
    scopes: frozenset[str]
    actor: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to speak with this service.

    `prefix` matches the beginning of its paths, also of those without a route. `authenticate` raises Problem 401.
    `failure` gives status and body of a problem, with the request's id; its headers are added here. `replayed` are
    the headers of an answer that was given before. `security` has its OpenAPI security schemes by name. `larger` has
    the bytes that bodies may have on paths with such a beginning. `canonical` gives, of a path
    as it is decoded and as it came, the one that routes know of those that are the same.
    """

    name: str
    prefix: re.Pattern[str]
    routers: tuple[APIRouter, ...]
    authenticate: Callable[[Request], Awaitable[Caller]]
    failure: Callable[[Problem, str], tuple[int, Mapping[str, Any]]]
    replayed: Mapping[str, str]
    security: Mapping[str, Mapping[str, Any]]
    larger: Sequence[tuple[re.Pattern[str], int]] = ()
    canonical: Callable[[str, bytes], str] | None = None

    def largest_body(self, path: str) -> int:
        """Bytes that a body sent to this path may have."""
        return next((most for paths, most in self.larger if paths.match(path)), USUAL_BODY_BYTES)

    def answer(self, problem: Problem, request_id: str) -> Reply:
        """The problem in this dialect."""
        status, body = self.failure(problem, request_id)
        return Reply(body, status_code=status, headers=problem.headers)


def dialect_of(path: str, dialects: Sequence[Dialect]) -> Dialect:
    """Whose path this is; the first one's where it is nobody's."""
    return next((one for one in dialects if one.prefix.match(path)), dialects[0])
