"""Completions of games that are told over HTTP, by who has no Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from schemas.definitions import STORABLE, Definition, characters, exact_characters, validated
from schemas.fields import CUSTOMER_ID_PATTERN, Outgoing
from schemas.partners.answers import Success

MESSAGES: Final[Mapping[str, str]] = {
    "customer_id": "Must be between 1 and 128 characters, without white space at its ends",
    "session_id": "Must be a text, or null",
    "result": "Must be won or lost",
    "score": "Must be a number, or null",
}


class Completion(Definition):
    """Who completed the game, and how."""

    customer_id: Annotated[str, exact_characters(1, 128, CUSTOMER_ID_PATTERN), STORABLE]
    session_id: Annotated[str, characters(0, None), STORABLE] | None = None
    result: Literal["won", "lost"] = "won"
    score: float | None = None


def read_completion(fields: Mapping[str, Any]) -> Completion:
    """Raises InvalidDefinition."""
    return validated(Completion, fields, MESSAGES)


class QueuedEvent(Outgoing):
    """The event's id."""

    eventId: str  # noqa: N815 - the same in every dialect


class CompletionQueued(Success):
    """The completion is queued, and decided in its turn."""

    message: str
    data: QueuedEvent
