"""The OpenAPI description: what FastAPI derives from the routes, with bodies and each dialect's security put in.

Bodies are read by `schemas`, not by FastAPI, so that their errors are the dialect's own; `takes` says here what they
look like, and a dialect's own `gives` what it answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from services.api.edge.dialect import Dialect

REF: Final = "#/components/schemas/{model}"
BEARER: Final = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
"""The security scheme of dialects that partners' tokens open."""
KEYED: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Repeated within 24 hours, the same request gets the same answer.",
            "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
        }
    ]
}
"""`openapi_extra` of a route that changes something, see `idempotency.py`."""

_bodies: dict[str, dict[str, Any]] = {}


def takes(model: type[BaseModel], *, partly: bool = False, changes: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that reads this body; `partly` where every field may be left out.

    `changes=False` where nothing is changed, so that there is nothing to do once. Raises ValueError for a name that
    another body has: all dialects are described in one document.
    """
    schema = model.model_json_schema(ref_template=REF)
    for name, part in schema.pop("$defs", {}).items():
        _add(name, part)
    name = model.__name__
    if partly:
        name += "Changes"
        schema["title"] = name
        schema.pop("required", None)
        for field in schema["properties"].values():
            field.pop("default", None)
    _add(name, schema)
    content = {"application/json": {"schema": {"$ref": REF.format(model=name)}}}
    body = {"requestBody": {"required": True, "content": content}}
    return body | KEYED if changes else body


def _add(name: str, schema: dict[str, Any]) -> None:
    if _bodies.setdefault(name, schema) != schema:
        raise ValueError(f"two bodies are called {name}")


def describe(app: FastAPI, dialects: Sequence[Dialect]) -> None:
    """Give `app` its description, made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app, dialects)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _described(app: FastAPI, dialects: Sequence[Dialect]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        openapi_version=app.openapi_version,
        routes=app.routes,
        servers=[{"url": "/", "description": "This service."}],
        license_info=app.license_info,
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(_bodies)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    schemes: dict[str, Any] = {}
    components["securitySchemes"] = schemes
    for dialect in dialects:
        schemes.update(dialect.security)
        for path, operations in document["paths"].items():
            if dialect.prefix.match(path):
                for operation in operations.values():
                    operation.setdefault("security", [{scheme: [] for scheme in dialect.security}])
    return document
