"""A router that looks through its routes only for paths that begin as they do: a request passes most routers."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from fastapi import APIRouter
from starlette.routing import Match
from starlette.types import Scope

_parameter: Final = re.compile(r"\{\w+\}")


class Router(APIRouter):
    """The routes below one prefix, whose parameters are whole segments."""

    def __init__(self, *, prefix: str, tags: list[str | Enum] | None = None) -> None:
        super().__init__(prefix=prefix, tags=tags)
        literal = map(re.escape, _parameter.split(prefix))
        self._begins = re.compile("[^/]+".join(literal)).match

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any router; NONE at once for a path that is not below the prefix."""
        return super().matches(scope) if self._begins(scope["path"]) else (Match.NONE, {})
