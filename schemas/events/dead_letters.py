"""Topic `dead-letters`: records that could not be decided. Outgoing: the original key, value and headers.

The headers below come after the original ones. They are named as Kafka Connect names its own, so that tools
which know those show these.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Stage = Literal["header", "decode", "schema", "source", "time", "decide", "store"]
"""How far a record came: its envelope is wrong; its value is no JSON; its data are not what the type asks for; its
source may not speak for its partner, or it tells what we alone may tell; its time lies too far in the future; the rules
failed on it; the database refuses it, alone and again."""


class DeadLetterHeaders(BaseModel):
    """The added headers, by their names on the wire; each value is UTF-8 text."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)

    topic: str = Field(alias="__connect.errors.topic")
    partition: str = Field(alias="__connect.errors.partition", pattern="^[0-9]+$")
    offset: str = Field(alias="__connect.errors.offset", pattern="^[0-9]+$")
    stage: Stage = Field(alias="__connect.errors.stage")
    exception: Annotated[str, Field(min_length=1, alias="__connect.errors.exception.class.name")]
    message: Annotated[str, Field(min_length=1, alias="__connect.errors.exception.message")]


HEADER_NAMES = tuple(str(field.alias) for field in DeadLetterHeaders.model_fields.values())
"""In the order in which they are appended: topic, partition, offset, stage, exception, message."""
