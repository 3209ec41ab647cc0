"""Bodies in JSON whose numbers keep every digit: read as decimals, written as they stand."""

from __future__ import annotations

from typing import Any, Final

from schemas.gameball_v4 import exact_json
from services.api.edge.call import Call
from services.api.edge.problems import Problem, Reason
from services.api.edge.reply import Reply

MOST_NAMES: Final = 50_000
"""Of all objects of a body together: fifty tiers with as many benefits as fit into their body."""


async def sent_object(call: Call) -> dict[str, Any]:
    """The body. Raises Problem 400 unless it is one JSON object, and 413 for one of too many parts."""
    document = await call.exact_json(MOST_NAMES)
    if not isinstance(document, dict):
        raise Problem(Reason.BODY_NO_OBJECT, "object")
    return document


async def sent_list(call: Call) -> list[Any]:
    """The same of a JSON array."""
    document = await call.exact_json(MOST_NAMES)
    if not isinstance(document, list):
        raise Problem(Reason.BODY_NO_OBJECT, "array")
    return document


def shown(document: Any, status: int = 200) -> Reply:
    """The document as an answer."""
    return Reply(exact_json.write(document).encode(), status_code=status)
