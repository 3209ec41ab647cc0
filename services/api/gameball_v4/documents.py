"""Bodies in JSON whose numbers keep every digit: read as decimals, written as they stand."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4 import exact_json
from schemas.gameball_v4.reading import Part, Refused, settled, validated
from schemas.gameball_v4.values import Circumstances
from services.api.edge.call import Call
from services.api.edge.problems import Problem, Reason, invalid
from services.api.edge.reply import Reply

P = TypeVar("P", bound=Part)

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


def read_as(model: type[P], sent: dict[str, Any], time_zone: str = "UTC") -> P:
    """What was sent, in this zone. Raises Problem 422."""
    refused = Refused()
    fields = settled(model, sent, refused, strict=False)
    try:
        refused.end()
        return validated(model, fields, Circumstances(time_zone=time_zone), places=refused.places)
    except InvalidDefinition as error:
        raise invalid(error.errors) from None


def shown(document: Any, status: int = 200) -> Reply:
    """The document as an answer."""
    return Reply(exact_json.write(document).encode(), status_code=status)
