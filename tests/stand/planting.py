"""A topic that the service does not have, put into the registry: whoever reads that list has to notice."""

from __future__ import annotations

import pytest

from schemas import topics
from schemas.events import types
from schemas.topics import Direction, Message, Topic

PLANTED = "planted-plays"


def planted(direction: Direction, *messages: Message) -> Topic:
    """A topic with this on it; completions of games, if nothing else is said."""
    return Topic(
        name=PLANTED,
        direction=direction,
        about="there is none",
        owner="a test",
        key="customer id",
        messages=messages or (Message(type=types.GAME_COMPLETED, schema=types.GAME_COMPLETED),),
        config={"retention.ms": "86400000"},
        partitions=3,
    )


def plant(monkeypatch: pytest.MonkeyPatch, topic: Topic) -> None:
    """Into the list and what follows from it, until the test is over."""
    monkeypatch.setattr(topics, "ALL", (*topics.ALL, topic))
    for name, direction in (("INCOMING", Direction.INCOMING), ("OUTGOING", Direction.OUTGOING)):
        monkeypatch.setattr(topics, name, topics.names(direction))
    monkeypatch.setattr(topics, "PUBLISHED", topics.published())
