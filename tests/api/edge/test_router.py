"""Routers that are passed unless a path begins as they do: found by every path of theirs, and by no other."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Match

from services.api.app import DIALECTS
from services.api.edge.dialect import Dialect
from services.api.edge.router import Router
from tests.api.stand import URL

PATHS = [
    ("/en/a.b", 200), ("/en/a.b/7", 200), ("/lt/a.b/", 404), ("/en/axb/7", 404), ("/en/x/a.b/7", 404), ("/a.b/7", 404),
    ("//a.b/7", 404), ("/x/en/a.b", 404),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status"), PATHS)
async def test_router_answers_below_its_prefix(path: str, status: int) -> None:
    """Parameters of the prefix are whole segments, everything else of it stands for itself."""
    router = Router(prefix="/{locale}/a.b")

    async def answer() -> bool:
        return True

    router.add_api_route("", answer)
    router.add_api_route("/{id}", answer)
    app = FastAPI(redirect_slashes=False)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        assert (await http.get(path)).status_code == status


def test_router_passes_by_without_a_look_at_its_routes() -> None:
    """What is not below the prefix reaches no route: one that fails when it is asked is not asked."""

    class Asked(Exception):
        pass

    class Fragile(list[Any]):
        def __iter__(self) -> Any:
            raise Asked

    router = Router(prefix="/a")
    app = FastAPI()
    app.include_router(router)
    router.routes = Fragile()
    included = app.routes[-1]
    scope = {"type": "http", "method": "GET", "path": "/b", "root_path": ""}
    assert included.matches(scope) == (Match.NONE, {})
    with pytest.raises(Asked):
        included.matches({**scope, "path": "/a"})


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_router_of_a_dialect_passes_paths_by(dialect: Dialect) -> None:
    """A request meets all of them: one that looks at each of its routes costs every request."""
    assert [router for router in dialect.routers if not isinstance(router, Router)] == []
