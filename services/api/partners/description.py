"""The OpenAPI description: what FastAPI derives from the routes, with bodies, security and errors put in.

Bodies are read by `schemas`, not by FastAPI, so that their errors are the dialect's own; `takes` and `gives` say here
what they look like.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from schemas.partners.answers import Failure, InvalidFields

REF: Final = "#/components/schemas/{model}"
SCHEME: Final = "partnerToken"
_bodies: dict[str, dict[str, Any]] = {}

ERRORS: Final[dict[int, str]] = {
    400: "The body is no JSON object, or a rule of the business stands in the way.",
    401: "No valid token.",
    403: "The token lacks the scope, or this is for somebody else to do.",
    404: "Unknown, or another partner's.",
    409: "The state of things does not allow it.",
    413: "The body is too large.",
    422: "A field or parameter breaks its rule.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "Try again.",
}


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


def takes(model: type[BaseModel], *, partly: bool = False, changes: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that reads this body; `partly` where every field may be left out.

    `changes=False` where nothing is changed, so that there is nothing to do once.
    """
    schema = model.model_json_schema(ref_template=REF)
    _bodies.update(schema.pop("$defs", {}))
    name = model.__name__
    if partly:
        name += "Changes"
        schema["title"] = name
        schema.pop("required", None)
        for field in schema["properties"].values():
            field.pop("default", None)
    _bodies[name] = schema
    content = {"application/json": {"schema": {"$ref": REF.format(model=name)}}}
    body = {"requestBody": {"required": True, "content": content}}
    return body | KEYED if changes else body


def gives(
    status: int, model: type[BaseModel], description: str, *errors: int
) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: its success, and the errors it knows besides those that every route has."""
    known: dict[int | str, dict[str, Any]] = {status: {"model": model, "description": description}}
    for code in sorted({401, 403, 404, 422, 429, 503, *errors}):
        known[code] = {
            "model": InvalidFields if code == 422 else Failure,
            "description": ERRORS[code],
        }
    return known


def describe(app: FastAPI) -> None:
    """Give `app` its description, made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        openapi_version=app.openapi_version,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(_bodies)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    for path, operations in document["paths"].items():
        if path.startswith("/{locale}"):
            for operation in operations.values():
                operation["security"] = [{SCHEME: []}]
    return document
