"""`/docs` without anything fetched from outside: the operations of an application's OpenAPI as plain HTML.

FastAPI's own page loads its script from a content network, which a closed network does not reach and an
operator's browser should not have to.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h2{font:1rem ui-monospace,monospace;border-top:1px solid #8888;padding-top:1rem}"
    "td{padding:0 1rem 0 0;vertical-align:top}"
)


def add_docs(app: FastAPI) -> None:
    """Serve `/docs` for `app`, which is built with `docs_url=None`."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse("".join(_page(app.openapi())))


def _page(openapi: dict[str, Any]) -> Iterator[str]:
    title = escape(openapi["info"]["title"])
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{_STYLE}</style><h1>{title}</h1>"
    yield f"<p>{escape(openapi['info'].get('description', ''))}</p>"
    yield '<p>The full description, with every schema: <a href="openapi.json">openapi.json</a>.</p>'
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            yield from _operation(f"{method.upper()} {path}", operation)


def _operation(heading: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>{escape(heading)}</h2>"
    yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p><table>"
    for parameter in operation.get("parameters", []):
        need = "required" if parameter.get("required") else "optional"
        text = f"{parameter['in']}, {need}. {parameter.get('description', '')}"
        yield f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(text)}</tr>"
    for status, response in operation.get("responses", {}).items():
        yield f"<tr><td>{escape(status)}<td>{escape(response.get('description', ''))}</tr>"
    yield "</table>"
