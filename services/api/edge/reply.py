"""An answer in JSON, of any dialect."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from services.adapters.exact_json import encoded


class Reply(Response):
    """A JSON answer that is encoded once."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Bytes as they are (a stored answer), anything else as JSON."""
        return content if isinstance(content, bytes) else encoded(content)
